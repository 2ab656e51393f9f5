// Networks that take pictures as prompts.
#include <algorithm>
#include <filesystem>
#include <map>

#include "core/fail.h"
#include "core/file.h"
#include "core/guard.h"
#include "impasto/hub.h"
#include "pipelines/found_model.h"
#include "pipelines/networks.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

struct FoundEncoder {
  std::string folder;
  ClipVisionConfig config;
  std::shared_ptr<const WeightReader> weights;
};

bool is_image_encoder(const fs::path& folder) { return has_entry((folder / "config.json").string()); }

FoundEncoder open_encoder(const std::string& folder) {
  const FoundNetwork found = open_component(folder, "image_encoder", "CLIPVisionModelWithProjection");
  return {folder, ImageEncoder::parse(*found.config), found.weights};
}

std::int64_t columns(const ClipVisionConfig& encoder, const ImageProjectionConfig& projection) {
  return projection.takes_states() ? encoder.hidden_size : encoder.projection_size;
}

[[noreturn]] void refuse(const FoundEncoder& found, const ImageProjectionConfig& projection, const std::string& adapter) {
  fail(ErrorKind::bad_file, found.folder, ": gives ", columns(found.config, projection), " columns for a picture, but ", adapter, " takes ",
       projection.picture_channels, ": name the image encoder that it was made for (IpAdapterFile::image_encoder, --image-encoder DIR)");
}

FoundEncoder named_encoder(const std::string& given, const ImageProjectionConfig& projection, const std::string& adapter) {
  const std::string name = find_model(given);
  if (!has_entry(name))
    fail(ErrorKind::not_found, name, ": no such folder; an image encoder is one in the diffusers layout, with config.json and weights");
  const fs::path inside = fs::path(name) / "image_encoder";
  FoundEncoder found = open_encoder(is_image_encoder(inside) ? inside.string() : name);
  if (columns(found.config, projection) != projection.picture_channels) refuse(found, projection, adapter);
  return found;
}

/// The first that fits, of where it usually lies; none where none is there.
std::optional<FoundEncoder> usual_encoder(const std::string& adapter, const ImageProjectionConfig& projection, const std::string& checkpoint) {
  const fs::path beside = fs::path(adapter).parent_path();
  std::optional<FoundEncoder> other;
  for (const fs::path& folder : {beside / "image_encoder", beside / ".." / "models" / "image_encoder", fs::path(checkpoint) / "image_encoder"}) {
    if (!is_image_encoder(folder)) continue;
    FoundEncoder found = open_encoder(folder.string());
    if (columns(found.config, projection) == projection.picture_channels) return found;
    if (!other) other = std::move(found);
  }
  if (other) refuse(*other, projection, adapter);
  return std::nullopt;
}

const char* name_of(ImageProjectionConfig::Kind kind) {
  switch (kind) {
    case ImageProjectionConfig::Kind::plain: return "IP-Adapter";
    case ImageProjectionConfig::Kind::full: return "IP-Adapter Full Face";
    default: return "IP-Adapter Plus";
  }
}

bool belongs(const std::string& tensor) { return tensor.starts_with("ip_adapter.") || tensor.starts_with("image_proj."); }

}  // namespace

Networks with_ip_adapters(const Networks& net, const std::vector<IpAdapterFile>& files) {
  Networks changed = net;
  changed.ip_adapters.clear();
  std::map<std::string, Component<ImageEncoder>> encoders;  // by their folders
  for (const IpAdapterFile& file : files) {
    const std::string path = find_model(file.path);
    if (!has_entry(path)) fail(ErrorKind::not_found, path, ": no such file");
    const std::shared_ptr<const WeightReader> stored = open_weights_file(path);
    const ImageProjectionConfig projection = ImageProjectionConfig::of(*stored);
    changed.ip_adapters.push_back({file.path, projection, attached<IpAdapter>(net, net.backend, net.checkpoint.unet, stored), {}});
    const auto found = file.image_encoder.empty() ? usual_encoder(path, projection, net.checkpoint.info.path)
                                                  : std::optional(named_encoder(file.image_encoder, projection, path));
    if (!found) continue;
    auto known = encoders.find(found->folder);
    if (known == encoders.end())
      known = encoders.emplace(found->folder, attached<ImageEncoder>(net, net.text_backend, found->config, found->weights)).first;
    changed.ip_adapters.back().encoder = known->second;
  }
  return changed;
}

std::optional<IpAdapterInfo> inspect_ip_adapter(const std::string& path) {
  return guarded([&]() -> std::optional<IpAdapterInfo> {
    const auto weights = open_weights_file(find_model(path));
    const std::vector<std::string> names = weights->names();
    if (std::none_of(names.begin(), names.end(), belongs)) return std::nullopt;
    const ImageProjectionConfig projection = ImageProjectionConfig::of(*weights);
    IpAdapterInfo info{
        .kind = name_of(projection.kind), .cross_attention_dim = projection.context_channels, .image_channels = projection.picture_channels};
    for (const std::string& name : names) {
      if (!belongs(name)) continue;
      info.parameters += weights->describe(name)->shape.count();
      info.cross_attentions += name.ends_with(".to_k_ip.weight") ? 1 : 0;
    }
    return info;
  });
}

}  // namespace impasto
