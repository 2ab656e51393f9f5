// What stands behind the public components.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/cancellation.h"
#include "impasto/components.h"
#include "impasto/picture_components.h"
#include "pipelines/conditioned_unet.h"
#include "pipelines/linear_decoder.h"
#include "pipelines/networks.h"
#include "pipelines/remembered.h"

namespace impasto {

/// Weights of a network on its own. In memory where a backend would use them as they lie, unless they are to be mapped; others read them once.
class OwnWeights {
 public:
  OwnWeights(std::shared_ptr<const WeightReader> stored, bool map) : state_(new State{std::move(stored), map}) {}

  std::shared_ptr<const WeightReader> for_backend(const Backend& backend) const {
    if (state_->map || !backend.shares_host_memory()) return state_->stored;
    const std::lock_guard lock(state_->mutex);
    auto copy = state_->copy.lock();
    if (!copy) state_->copy = copy = copied_weights(*state_->stored);
    return copy;
  }

 private:
  struct State {
    std::shared_ptr<const WeightReader> stored;
    bool map;
    std::mutex mutex = {};
    std::weak_ptr<const WeightReader> copy = {};  // for as long as a network uses it
  };
  std::shared_ptr<State> state_;
};

/// A network on its own.
template <class T, class Config>
Component<T> own(Backend& backend, const Config& config, const OwnWeights& weights) {
  return {Keep::always, backend, [=](Backend& b) { return std::make_shared<const T>(config, weights.for_backend(b), b); }};
}

/// Of weights that a caller has in memory.
OwnWeights given(const GivenWeights& weights);

struct ShownPictures::Impl {
  std::int64_t images;
  std::vector<nn::PictureKeyValue> attentions;  ///< one for each, in the order of UNet::Conditioning
};

/// Texts with pictures beside them: the last ones, so that a walk whose steps have the same sees the same.
class TextsWithPictures {
 public:
  using Conditioning = std::shared_ptr<const UNet::Conditioning>;
  using Pictures = std::vector<std::shared_ptr<const ShownPictures::Impl>>;

  Conditioning get(const Conditioning& texts, const Pictures& pictures);
  void clear();

 private:
  struct Entry {
    Conditioning texts;
    Pictures pictures;
    Conditioning both;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;  // the oldest first
};

struct UNetModel::Impl {
  Component<UNet> net;
  mutable Remembered<UNet::Conditioning> texts = {};
  mutable TextsWithPictures with_pictures = {};

  explicit Impl(Component<UNet> n) : net(std::move(n)) {}
};

struct UNetWalk::Impl {
  Shortcuts shortcuts;
  // With a deep cache, from the first step on:
  std::shared_ptr<const UNet> net = {};
  std::shared_ptr<const UNet::Conditioning> text = {};
  Shape sample = {};
  Tensor deep = {};
  std::int64_t calls = 0;

  Tensor predict(const std::shared_ptr<const UNet>& n, const std::shared_ptr<const UNet::Conditioning>& t, const Tensor& x, double timestep,
                 const UNet::Control* control) {
    const float merging = shortcuts.token_merging_ratio;
    const bool known = net == n && text == t && sample == x.shape(), renew = shortcuts.renews_at(calls++);
    if (known && !renew) return n->forward_shallow(x, timestep, *t, deep, merging, control);
    net = n, text = t, sample = x.shape();
    return n->forward(x, timestep, *t, {.deep = &deep, .control = control, .token_merging_ratio = merging});
  }
};

struct ControlNetModel::Impl {
  Component<ControlNet> net;
  mutable Remembered<UNet::Conditioning> texts = {};
  mutable Remembered<Tensor> pictures = {};

  explicit Impl(Component<ControlNet> n) : net(std::move(n)) {}
};

struct ImageEncoderModel::Impl {
  Component<ImageEncoder> net;

  explicit Impl(Component<ImageEncoder> n) : net(std::move(n)) {}
};

struct IpAdapterModel::Impl {
  Component<IpAdapter> net;

  explicit Impl(Component<IpAdapter> n) : net(std::move(n)) {}
};

struct TextModel::Impl {
  Component<ClipText> net;

  explicit Impl(Component<ClipText> n) : net(std::move(n)) {}
};

struct SafetyModel::Impl {
  Component<SafetyChecker> checker;

  explicit Impl(Component<SafetyChecker> c) : checker(std::move(c)) {}
};

struct VaeModel::Impl {
  VaeConfig config;
  Component<VaeDecoder> decoder;
  Component<VaeEncoder> encoder;  // built when a picture comes in
  mutable std::mutex mutex = {};
  mutable std::optional<LinearDecoder> linear = {};  // from the first preview on

  Impl(const VaeConfig& c, Component<VaeDecoder> d, Component<VaeEncoder> e) : config(c), decoder(std::move(d)), encoder(std::move(e)) {}

  Backend& backend() const { return decoder.backend(); }

  static std::shared_ptr<const Impl> alone(Backend& b, const VaeConfig& config, const OwnWeights& weights) {
    auto impl = std::make_shared<const Impl>(config, own<VaeDecoder>(b, config, weights), own<VaeEncoder>(b, config, weights));
    impl->decoder.get();  // what is missing is told now
    return impl;
  }
};

struct Tokenizer::Impl {
  ClipTokenizer clip;
  explicit Impl(ClipTokenizer t) : clip(std::move(t)) {}
};

/// An Impl with a network of its own, built: what is missing is told now.
template <typename Impl, typename Network>
std::shared_ptr<const Impl> built(Component<Network> network) {
  network.get();
  return std::make_shared<const Impl>(std::move(network));
}

}  // namespace impasto
