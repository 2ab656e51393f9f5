// Networks in single files, on their own.
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/guard.h"
#include "core/quote.h"
#include "models/derived_config.h"
#include "pipelines/component_models.h"
#include "pipelines/controllers.h"
#include "weights/original_layout.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

JsonObject json_at(const fs::path& file) { return {read_json(file.string()), file.string()}; }

/// FOLDER/config.json when it is of that class.
std::optional<JsonObject> own_config(const std::string& folder, const char* class_name) {
  const fs::path file = fs::path(folder) / "config.json";
  if (!has_entry(file.string())) return std::nullopt;
  JsonObject config = json_at(file);
  return config.text("_class_name", "") == class_name ? std::optional(std::move(config)) : std::nullopt;
}

JsonObject config_in_model(const std::string& folder, const char* component, const char* class_name) {
  const fs::path file = fs::path(folder) / component / "config.json";
  if (!has_entry(file.string()))
    fail(ErrorKind::not_found, folder, ": has neither a config.json of a ", class_name, " nor ", component,
         "/config.json; config is a folder in the diffusers layout");
  return json_at(file);
}

/// The config of such a network in `folder`, or beside its file; nothing where nobody says it.
std::optional<JsonObject> said(const std::string& path, const std::string& folder, const char* class_name) {
  const std::string beside = fs::path(path).parent_path().string();
  return own_config(folder.empty() ? beside.empty() ? "." : beside : folder, class_name);
}

JsonObject control_net_config(const std::string& path, const std::string& folder) {
  const auto weights = control_net_weights(path);
  if (auto own = said(path, folder, "ControlNetModel")) return *own;
  if (folder.empty()) return derived_control_net_config(*weights);
  return derived_control_net_config(*weights, config_in_model(folder, "unet", "ControlNetModel"));
}

std::shared_ptr<const WeightReader> vae_weights(const std::string& path) {
  const std::shared_ptr<const WeightReader> file = open_weights_file(path);
  FileNetworks networks = find_networks(*file);
  if (networks.vae.empty()) fail(ErrorKind::bad_file, path, ": holds no VAE of Stable Diffusion");
  return renamed_weights(file, std::move(networks.vae));
}

JsonObject vae_config(const std::string& path, const std::string& folder) {
  const auto weights = vae_weights(path);
  if (auto own = said(path, folder, "AutoencoderKL")) return *own;
  return folder.empty() ? derived_vae_config(*weights) : config_in_model(folder, "vae", "AutoencoderKL");
}

JsonObject parsed(const std::string& config, const std::string& path) {
  const std::string where = path + ": its config";
  return {parse_json(config, where, {.python_constants = true}), where};
}

}  // namespace

std::string config_of_file(const std::string& component, const std::string& path, const std::string& folder) {
  return guarded([&] {
    if (component == "controlnet") return control_net_config(path, folder).value().dump();
    if (component == "vae") return vae_config(path, folder).value().dump();
    fail(ErrorKind::invalid_argument, "component is ", in_quotes(component), ", allowed are vae and controlnet");
  });
}

ControlNetModel ControlNetModel::load_file(const std::string& path, const std::string& config, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    Backend& backend = chosen_backend(options);
    const ControlNetConfig read = ControlNetConfig::parse(parsed(config, path));
    return ControlNetModel(built<Impl>(own<ControlNet>(backend, read, {control_net_weights(path), options.map_weights})));
  });
}

VaeModel VaeModel::load_file(const std::string& path, const std::string& config, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    Backend& backend = chosen_backend(options);
    return VaeModel(Impl::alone(backend, VaeConfig::parse(parsed(config, path)), {vae_weights(path), options.map_weights}));
  });
}

}  // namespace impasto
