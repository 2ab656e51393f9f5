// What stands behind the public components.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/cancellation.h"
#include "impasto/components.h"
#include "pipelines/conditioned_unet.h"
#include "pipelines/linear_decoder.h"
#include "pipelines/networks.h"
#include "pipelines/remembered.h"

namespace impasto {

struct UNetModel::Impl {
  Backend& backend;
  std::shared_ptr<const UNet> net;
  mutable Remembered<UNet::Conditioning> texts = {};

  Impl(Backend& b, std::shared_ptr<const UNet> n) : backend(b), net(std::move(n)) {}
};

struct UNetWalk::Impl {
  Shortcuts shortcuts;
  // With a deep cache, from the first step on:
  std::shared_ptr<const UNet> net = {};
  std::shared_ptr<const UNet::Conditioning> text = {};
  Shape sample = {};
  std::optional<ConditionedUNet> unet = {};

  Tensor predict(const std::shared_ptr<const UNet>& n, const std::shared_ptr<const UNet::Conditioning>& t, const Tensor& x, double timestep) {
    if (net != n || text != t || sample != x.shape()) {
      net = n, text = t, sample = x.shape();
      unet.emplace(n, Conditionings{*t, {}}, shortcuts);
    }
    return unet->predict(x, timestep, {});
  }
};

struct ControlNetModel::Impl {
  Backend& backend;
  std::shared_ptr<const ControlNet> net;
  mutable Remembered<UNet::Conditioning> texts = {};
  mutable Remembered<Tensor> pictures = {};

  Impl(Backend& b, std::shared_ptr<const ControlNet> n) : backend(b), net(std::move(n)) {}
};

struct TextModel::Impl {
  Backend& backend;
  std::shared_ptr<const ClipText> net;

  Impl(Backend& b, std::shared_ptr<const ClipText> n) : backend(b), net(std::move(n)) {}
};

struct SafetyModel::Impl {
  SafetyChecker checker;
};

struct VaeModel::Impl {
  Backend& backend;
  VaeConfig config;
  std::shared_ptr<const VaeDecoder> decoder;
  std::shared_ptr<const Component<VaeEncoder>> encoder;
  mutable std::mutex mutex = {};
  mutable std::optional<LinearDecoder> linear = {};  // from the first preview on

  Impl(Backend& b, const VaeConfig& c, std::shared_ptr<const VaeDecoder> d, std::shared_ptr<const Component<VaeEncoder>> e)
      : backend(b), config(c), decoder(std::move(d)), encoder(std::move(e)) {}

  static std::shared_ptr<const Impl> own(Backend& b, const VaeConfig& config, const std::shared_ptr<const WeightReader>& weights) {
    const auto build_encoder = [=, &b] { return std::make_shared<const VaeEncoder>(config, weights, b); };
    return std::make_shared<const Impl>(b, config, std::make_shared<const VaeDecoder>(config, weights, b),
                                        std::make_shared<const Component<VaeEncoder>>(Keep::always, build_encoder));
  }
};

struct Tokenizer::Impl {
  ClipTokenizer clip;
  explicit Impl(ClipTokenizer t) : clip(std::move(t)) {}
};

/// An Impl with a network of its own.
template <typename Impl, typename Network>
std::shared_ptr<const Impl> own(Backend& backend, Network network) {
  return std::make_shared<const Impl>(backend, std::make_shared<const Network>(std::move(network)));
}

}  // namespace impasto
