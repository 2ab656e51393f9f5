#include "pipelines/controllers.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "image/pixels.h"
#include "impasto/hub.h"
#include "models/derived_config.h"
#include "pipelines/networks.h"
#include "weights/original_layout.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

/// [1, h, w, 3] in 0..1.
Tensor picture_of(const Image& image, int width, int height, Backend& backend) {
  const Image sized = resize(image, width, height);
  std::vector<float> values(sized.pixels.size());
  std::transform(sized.pixels.begin(), sized.pixels.end(), values.begin(), [](std::uint8_t x) { return static_cast<float>(x) / 255; });
  return Tensor::from_host(backend, {1, sized.height, sized.width, 3}, values.data());
}

void require_fit(const ControlNetConfig& control, const UNetConfig& unet, const std::string& path) {
  const auto refuse = [&](const char* field, auto theirs, auto ours) {
    fail(ErrorKind::bad_file, path, ": made for another model: its \"", field, "\" is ", theirs, ", the UNet's ", ours);
  };
  const UNetConfig& c = control.unet;
  if (c.context_channels != unet.context_channels) refuse("cross_attention_dim", c.context_channels, unet.context_channels);
  if (c.levels.size() != unet.levels.size()) refuse("block_out_channels", c.levels.size(), unet.levels.size());
  for (std::size_t i = 0; i < c.levels.size(); ++i) {
    if (c.levels[i].channels != unet.levels[i].channels) refuse("block_out_channels", c.levels[i].channels, unet.levels[i].channels);
    if (c.levels[i].resnets != unet.levels[i].resnets) refuse("layers_per_block", c.levels[i].resnets, unet.levels[i].resnets);
  }
  if (c.in_channels != unet.out_channels) refuse("in_channels", c.in_channels, unet.out_channels);
}

}  // namespace

void check_controls(const TextToImageOptions& options) {
  for (std::size_t i = 0; i < options.controls.size(); ++i) {
    const Control& c = options.controls[i];
    const std::string name = concat("controls[", i, "]");
    if (!is_whole(c.image))
      fail(ErrorKind::invalid_argument, name, ".image is ", c.image.width, " x ", c.image.height, " pixels with ", c.image.pixels.size(), " bytes");
    if (!std::isfinite(c.scale)) fail(ErrorKind::invalid_argument, name, ".scale is ", c.scale, ", which is not a number");
    if (!(c.start >= 0 && c.start < c.stop && c.stop <= 1))
      fail(ErrorKind::invalid_argument, name, " goes from ", c.start, " to ", c.stop, "; start has to be at least 0, stop above it and at most 1");
  }
}

std::vector<Controller> controllers_for(const Networks& net, const TextToImageOptions& options) {
  if (options.controls.size() != net.control_nets.size())
    fail(ErrorKind::invalid_argument, "controls has ", options.controls.size(), " pictures for ", net.control_nets.size(), " ControlNets");
  std::vector<Controller> controllers;
  for (std::size_t i = 0; i < options.controls.size(); ++i) {
    const Control& c = options.controls[i];
    const auto network = net.control_nets[i].get();
    const Tensor hint = network->embed(picture_of(c.image, options.width, options.height, net.backend));
    controllers.push_back({network, hint, c.scale, c.start, c.stop, c.guess_mode});
  }
  return controllers;
}

namespace {

struct FoundControlNet {
  JsonObject config;
  std::shared_ptr<const WeightReader> weights;
};

JsonObject config_of_folder(const std::string& path) {
  const fs::path file = fs::path(path) / "config.json";
  if (!has_entry(file.string()))
    fail(ErrorKind::not_found, path,
         ": no config.json in it; a ControlNet is a folder in the diffusers layout, with config.json and weights, or a single file");
  JsonObject config(read_json(file.string()), file.string());
  if (const std::string name = config.text("_class_name", "ControlNetModel"); name != "ControlNetModel")
    fail(ErrorKind::unsupported, config.where(), ": class ", name, " is not a ControlNet (ControlNetModel)");
  return config;
}

FoundControlNet find_in_file(const std::string& path, const Checkpoint& c) {
  std::shared_ptr<const WeightReader> weights = control_net_weights(path);
  const auto unet = std::find_if(c.info.components.begin(), c.info.components.end(), [](const ComponentInfo& i) { return i.name == "unet"; });
  JsonObject config = derived_control_net_config(*weights, {parse_json(unet->config, c.info.path), c.info.path});
  return {std::move(config), std::move(weights)};
}

}  // namespace

std::shared_ptr<const WeightReader> control_net_weights(const std::string& path) {
  const std::shared_ptr<const WeightReader> file = open_weights_file(path);
  NameMap names = find_control_net(*file);
  if (names.empty())
    fail(ErrorKind::bad_file, path, ": holds no ControlNet (no tensor \"control_model.input_hint_block.0.weight\" or ",
         "\"controlnet_cond_embedding.conv_in.weight\")");
  return renamed_weights(file, std::move(names));
}

ControlNetConfig read_control_net_config(const std::string& folder) { return ControlNetConfig::parse(config_of_folder(folder)); }

Networks with_control_nets(const Networks& net, const std::vector<std::string>& paths) {
  Networks changed = net;
  changed.control_nets.clear(), changed.control_net_paths = paths;
  for (const std::string& name : paths) {
    const std::string path = find_model(name);
    if (!has_entry(path))
      fail(ErrorKind::not_found, path, ": no such ControlNet; it is a folder in the diffusers layout, with config.json and ",
           "weights, or a single file");
    std::error_code unseen;
    const auto [config, weights] = fs::is_directory(path, unseen)
                                       ? FoundControlNet{config_of_folder(path), open_weights(path, "diffusion_pytorch_model")}
                                       : find_in_file(path, net.checkpoint);
    const ControlNetConfig parsed = ControlNetConfig::parse(config);
    require_fit(parsed, net.checkpoint.unet, path);
    changed.control_nets.push_back(attached<ControlNet>(net, net.backend, parsed, weights));
  }
  return changed;
}

}  // namespace impasto
