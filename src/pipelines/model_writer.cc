#include "pipelines/model_writer.h"

#include <filesystem>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/file.h"
#include "models/registry.h"
#include "pipelines/picture_ids.h"
#include "weights/original_writer.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostTokenizerBytes = 64u << 20;

/// A 1x1 convolution in single files, a linear layer in folders: the VAE's attention.
bool was_convolution(const std::string& vae_name) {
  return vae_name.find(".mid_block.attentions.0.to_") != vae_name.npos && vae_name.ends_with(".weight");
}

Shape as_linear(const Shape& shape) { return shape.rank() > 2 ? Shape{shape[0], shape[1]} : shape; }
Shape as_convolution(const Shape& shape) { return shape.rank() == 2 ? Shape{shape[0], shape[1], 1, 1} : shape; }

std::vector<std::string> names_of(const NetworkTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

/// Tensors of ours joined and named as the table says.
void add(std::vector<TensorToWrite>& all, const NetworkTensors& tensors, const std::vector<OriginalTensor>& table) {
  for (const OriginalTensor& row : table) {
    TensorToWrite joined;
    if (row.transposed) {
      const TensorToWrite& t = tensors.at(row.parts.front());
      all.push_back({row.name,
                     renamed_weights(t.source, {{row.name, {t.parts.front(), 0, 1, /*transposed=*/true}}}),
                     {row.name},
                     Shape{t.shape[1], t.shape[0]},
                     t.dtype});
      continue;
    }
    for (const std::string& part : row.parts) {
      const auto entry = tensors.find(part);
      if (entry == tensors.end()) fail(ErrorKind::bad_file, "tensor ", part, " is missing; ", row.name, " consists of it");
      const TensorToWrite& t = entry->second;
      if (joined.parts.empty()) {
        joined = t;
        if (was_convolution(part)) joined.shape = as_convolution(t.shape);
        continue;
      }
      Shape rest = joined.shape;
      rest[0] = t.shape[0];
      if (t.dtype != joined.dtype || !(rest == t.shape))
        fail(ErrorKind::unsupported, t.source->where(), ": ", part, " and ", row.parts[0],
             " have different types or shapes, but a single file holds them as one tensor; say a dtype");
      joined.shape[0] += t.shape[0];
      joined.parts.push_back(t.parts[0]);
    }
    joined.name = row.name;
    all.push_back(std::move(joined));
  }
}

void write_text(const fs::path& path, const std::string& text) {
  write_file_atomically(path.string(), {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// The fields of a JSON object as texts. nlohmann's containers would end the process where there is no memory left to destroy them (core/json.h).
class ObjectText {
 public:
  ObjectText() = default;
  explicit ObjectText(const JsonObject& object) {
    for (const auto& [key, value] : object.value().items()) fields_[key] = value.dump();
  }

  void set(const char* key, const std::string& text) { fields_[key] = Json(text).dump(); }
  void set_json(const char* key, std::string json) { fields_[key] = std::move(json); }
  void erase(const char* key) { fields_.erase(key); }

  std::string in_one_line() const { return concat("{", joined(",", "", ":"), "}"); }
  std::string in_lines() const { return concat("{\n", joined(",\n", "  ", ": "), "\n}\n"); }

 private:
  std::string joined(const char* between, const char* before, const char* colon) const {
    std::string all;
    for (const auto& [key, value] : fields_) all += concat(all.empty() ? "" : between, before, Json(key).dump(), colon, value);
    return all;
  }

  std::map<std::string, std::string> fields_;
};

void write_json(const fs::path& path, const ObjectText& object) { write_text(path, object.in_lines()); }

/// The component's config; what it says of the tensors' type may no longer be true.
ObjectText config_to_write(const FoundNetwork& network, const char* class_name) {
  ObjectText config(*network.config);
  for (const char* key : {"torch_dtype", "dtype", "_name_or_path"}) config.erase(key);
  if (!std::string_view(class_name).starts_with("CLIPTextModel")) config.set("_class_name", class_name);
  return config;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::create_directory(folder, error) && error) fail(ErrorKind::io, folder.string(), ": cannot make a folder: ", error.message());
}

void write_component(const fs::path& folder, const FoundNetwork& network, const NetworkTensors& tensors, const ModelEntry& entry,
                     const WriteProgress& progress) {
  make_folder(folder);
  write_json(folder / "config.json", config_to_write(network, entry.class_name.c_str()));
  std::vector<TensorToWrite> all;
  for (auto [name, tensor] : tensors) {
    if (was_convolution(name)) tensor.shape = as_linear(tensor.shape);
    tensor.name = entry.component.starts_with("text_encoder") && name != "text_projection.weight" ? "text_model." + name : name;
    all.push_back(std::move(tensor));
  }
  write_safetensors((folder / (entry.weights_stem + ".safetensors")).string(), std::move(all), {{"format", "pt"}}, progress);
}

void write_tokenizer(const fs::path& folder, const ModelToWrite& m, const FoundText& text) {
  const fs::path from = text.tokenizer_folder;
  if (text.tokenizer_folder.empty())
    fail(ErrorKind::not_found, m.checkpoint.info.path,
         ": a folder in the diffusers layout has a tokenizer, and none was found; name its folder (tokenizer: --tokenizer DIR)");
  make_folder(folder);
  for (const char* name : {"vocab.json", "merges.txt"}) write_text(folder / name, read_file((from / name).string(), kMostTokenizerBytes));
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    const std::string path = (from / name).string();
    const bool names_tokens = std::string_view(name) != "added_tokens.json";
    if (!has_entry(path) && (text.tokenizer_pad.empty() || !names_tokens)) continue;
    ObjectText object = has_entry(path) ? ObjectText(JsonObject(read_json(path), path)) : ObjectText();
    if (!text.tokenizer_pad.empty() && names_tokens) object.set("pad_token", text.tokenizer_pad);
    write_json(folder / name, object);
  }
}

/// "tokenizer", "tokenizer_2"
std::string tokenizer_name(const FoundText& text) { return "tokenizer" + text.name.substr(std::string_view("text_encoder").size()); }

ObjectText index_of(const ModelToWrite& m) {
  ObjectText index;
  index.set("_class_name", m.model.pipeline_class);
  index.set("_diffusers_version", "0.21.0");  // the first that writes these tensors' names
  if (m.checkpoint.unet.added_channels == 0) index.set_json("requires_safety_checker", "false");
  if (m.checkpoint.unet.added_channels > 0) index.set_json("force_zeros_for_empty_prompt", m.checkpoint.zeros_for_no_prompt ? "true" : "false");
  if (m.checkpoint.num_picture_ids() == kScoreIds) {  // a refiner
    index.set_json("requires_aesthetics_score", "true");
    for (const char* absent : {"text_encoder", "tokenizer"}) index.set_json(absent, "[null, null]");
  }
  for (const char* absent : {"feature_extractor", "safety_checker"}) index.set_json(absent, "[null, null]");
  const auto set = [&](const char* component, const char* library, const std::string& name) {
    index.set_json(component, concat("[\"", library, "\", ", Json(name).dump(), "]"));
  };
  set("scheduler", "diffusers", m.checkpoint.info.scheduler);
  for (const FoundText& text : m.model.texts) {
    set(text.name.c_str(), "transformers", text.network.class_name);
    set(tokenizer_name(text).c_str(), "transformers", "CLIPTokenizer");
  }
  set("unet", "diffusers", "UNet2DConditionModel");
  set("vae", "diffusers", "AutoencoderKL");
  return index;
}

/// Bytes over several files.
class Sum {
 public:
  explicit Sum(const WriteProgress& progress) : progress_(progress) {}
  WriteProgress next_file() {
    before_ += last_;
    last_ = 0;
    return [this](std::uint64_t bytes) {
      last_ = bytes;
      if (progress_) progress_(before_ + bytes);
    };
  }

 private:
  const WriteProgress& progress_;
  std::uint64_t before_ = 0, last_ = 0;
};

}  // namespace

std::uint64_t ModelToWrite::bytes() const {
  std::uint64_t sum = 0;
  std::vector<const NetworkTensors*> all{&unet, &vae};
  for (const NetworkTensors& text : texts) all.push_back(&text);
  for (const NetworkTensors* network : all)
    for (const auto& [name, tensor] : *network) sum += tensor.bytes();
  return sum;
}

namespace {

std::vector<OriginalTensor> original_text_encoder(const ModelToWrite& m, std::size_t i) {
  const std::vector<std::string> names = names_of(m.texts[i]);
  const bool open_clip = m.checkpoint.texts[i].config.activation == Activation::gelu;
  if (m.checkpoint.unet.added_channels == 0) return open_clip ? original_open_clip(names) : original_clip(names);
  const std::string prefix = concat("conditioner.embedders.", i, open_clip ? ".model." : ".transformer.");
  return open_clip ? original_open_clip(names, prefix) : original_clip(names, prefix);
}

}  // namespace

std::vector<TensorToWrite> single_file_tensors(const ModelToWrite& m) {
  std::vector<TensorToWrite> all;
  add(all, m.unet, original_unet(names_of(m.unet)));
  add(all, m.vae, original_vae(names_of(m.vae)));
  for (std::size_t i = 0; i < m.texts.size(); ++i) add(all, m.texts[i], original_text_encoder(m, i));
  return all;
}

std::map<std::string, std::string> single_file_metadata(const ModelToWrite& m) {
  std::map<std::string, std::string> texts;
  for (const FoundText& text : m.model.texts) texts["impasto." + text.name] = config_to_write(text.network, "CLIPTextModel").in_one_line();
  std::map<std::string, std::string> all{
      {"format", "pt"},
      {"impasto.unet", config_to_write(m.model.unet, "UNet2DConditionModel").in_one_line()},
      {"impasto.vae", config_to_write(m.model.vae, "AutoencoderKL").in_one_line()},
      {"impasto.scheduler", m.checkpoint.scheduler.value().dump()},
      {"modelspec.prediction_type", m.checkpoint.info.prediction_type == "v_prediction" ? "v" : m.checkpoint.info.prediction_type}};
  all.merge(texts);
  return all;
}

namespace {

void write_model_into(const fs::path& root, const ModelToWrite& m, const WriteProgress& progress) {
  Sum sum(progress);
  for (std::size_t i = 0; i < m.texts.size(); ++i) {
    const FoundText& text = m.model.texts[i];
    write_tokenizer(root / tokenizer_name(text), m, text);
    write_component(root / text.name, text.network, m.texts[i], model_entry(text.name, text.network.class_name), sum.next_file());
  }
  write_component(root / "unet", m.model.unet, m.unet, model_entry("unet", "UNet2DConditionModel"), sum.next_file());
  write_component(root / "vae", m.model.vae, m.vae, model_entry("vae", "AutoencoderKL"), sum.next_file());
  make_folder(root / "scheduler");
  write_json(root / "scheduler" / "scheduler_config.json", ObjectText(m.checkpoint.scheduler));
  write_json(root / "model_index.json", index_of(m));
}

}  // namespace

void write_model_folder(const std::string& path, const ModelToWrite& m, const WriteProgress& progress) {
  AtomicFolder folder(path, m.bytes());
  try {
    write_model_into(folder.path(), m, progress);
  } catch (const Error& error) {  // a reader of messages knows the folder by the name that it was to have
    std::string text = error.what();
    const auto place = text.find(folder.path());
    if (place == text.npos) throw;
    fail(error.kind(), text.replace(place, folder.path().size(), path));
  }
  folder.commit();
}

}  // namespace impasto
