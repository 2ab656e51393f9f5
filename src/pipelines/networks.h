// A loaded checkpoint.
#pragma once

#include "impasto/pipeline.h"
#include "models/clip_text.h"
#include "models/control_net.h"
#include "models/image_encoder.h"
#include "models/ip_adapter.h"
#include "models/unet.h"
#include "models/vae.h"
#include "pipelines/checkpoint.h"
#include "pipelines/component.h"
#include "pipelines/placement.h"
#include "tokenizers/clip_tokenizer.h"

namespace impasto {

/// What reads a text.
struct TextNetwork {
  ClipTokenizer tokenizer;
  Component<ClipText> encoder;
};

/// An IP-Adapter, and what looks at pictures for it.
struct PictureNetwork {
  std::string path;
  ImageProjectionConfig projection;
  Component<IpAdapter> adapter;
  std::optional<Component<ImageEncoder>> encoder;  ///< none: pictures come as embeddings
};

/// A checkpoint's networks on their backends; each takes tensors of any. The VAE's encoder, which drawing from text does not need, is built when a
/// picture comes in.
struct Networks {
  Checkpoint checkpoint;
  Backend& backend;       ///< of the UNet, the ControlNets and the latents
  Backend& text_backend;  ///< of the text encoders, and of image encoders
  Backend& vae_backend;
  std::vector<TextNetwork> texts;  ///< of the checkpoint's texts
  Component<UNet> unet;
  Component<VaeDecoder> vae_decoder;
  Component<VaeEncoder> vae_encoder;
  std::optional<Component<VaeDecoder>> preview_decoder;
  std::vector<Component<ControlNet>> control_nets;
  std::vector<std::string> control_net_paths;
  Keep keep;                               ///< of the networks
  bool mapped;                             ///< weights are used where the files are mapped
  bool copy_late;                          ///< weights go into memory when a network is built where it computes there, not at load
  std::vector<std::string> warnings = {};  ///< for every result
  std::optional<Component<SafetyChecker>> safety_checker = {};
  std::vector<PictureNetwork> ip_adapters = {};
  std::vector<std::string> lora_paths = {};  ///< merged into the UNet and the text encoders

  Placement placement() const { return {backend, text_backend, vae_backend}; }
};

/// See Pipeline::load.
Networks load_networks(const std::string& path, const LoadOptions& options, const Placement& placement);

/// See Pipeline::with_device.
Networks moved(const Networks& networks, const Placement& placement);
/// See Pipeline::with_loras.
Networks with_loras(const Networks& networks, const std::vector<Lora>& loras);
/// A network of a checkpoint. `copy`: of weights that are mapped, where the backend would use them as they lie.
template <class T, class Config>
Component<T> component(Keep keep, Backend& backend, const Config& config, const std::shared_ptr<const WeightReader>& weights, bool copy) {
  return {keep, backend,
          [=](Backend& b) { return std::make_shared<const T>(config, copy && b.shares_host_memory() ? copied_weights(*weights) : weights, b); }};
}

/// A network from a file of its own, beside those of a checkpoint and held as they are. It is built at once: what is missing is told now.
template <class T, class Config>
Component<T> attached(const Networks& net, Backend& backend, const Config& config, const std::shared_ptr<const WeightReader>& weights) {
  const auto kept = net.copy_late || net.mapped ? weights : copied_weights(*weights);
  Component<T> network = component<T>(net.keep, backend, config, kept, net.copy_late);
  network.get();
  return network;
}

/// See Pipeline::with_controlnets.
Networks with_control_nets(const Networks& networks, const std::vector<std::string>& paths);
/// See Pipeline::with_ip_adapters.
Networks with_ip_adapters(const Networks& networks, const std::vector<IpAdapterFile>& files);

}  // namespace impasto
