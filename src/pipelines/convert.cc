#include "impasto/convert.h"

#include <algorithm>
#include <filesystem>

#include "core/cancellation.h"
#include "core/fail.h"
#include "core/guard.h"
#include "impasto/hub.h"
#include "pipelines/model_writer.h"
#include "weights/names.h"
#include "weights/original_layout.h"

namespace impasto {
namespace {

Packing packing_named(const std::string& name) { return name == "q8_0" ? Packing::q8_0 : name == "q4_0" ? Packing::q4_0 : Packing::none; }

/// What is no packing's name. Beside packed tensors the others are as they were.
std::optional<DType> dtype_named(const std::string& name) {
  if (name.empty() || packing_named(name) != Packing::none) return std::nullopt;
  for (const DType type : {DType::float32, DType::float16, DType::bfloat16})
    if (name == to_string(type)) return type;
  fail(ErrorKind::unsupported, "dtype \"", name, "\" cannot be written; use float32, float16 or bfloat16 (or q8_0 or q4_0, for GGUF)");
}

NetworkTensors tensors_of(const FoundNetwork& network, const char* component, std::optional<DType> dtype) {
  NetworkTensors tensors;
  for (const std::string& name : network.weights->names()) {
    const std::optional<std::string> ours = our_name(component, name);
    if (!ours) continue;
    const TensorInfo info = network.weights->describe(name).value();
    if (!is_floating_point(info.dtype)) continue;
    const DType written = dtype.value_or(info.dtype == DType::float64 ? DType::float32 : info.dtype);
    if (!tensors.emplace(*ours, TensorToWrite{*ours, network.weights, {name}, info.shape, written}).second)
      fail(ErrorKind::bad_file, network.weights->where(), ": holds the tensor ", *ours, " under two names");
  }
  return tensors;
}

constexpr const char* kNoTokenizer = "a single file holds no tokenizer; keep the model's beside it, in a folder \"tokenizer\"";

/// The matrices of the UNet and the text encoder, where a model's size is; not the embeddings, whose error every token would carry, nor those of the
/// timestep, nor the VAE.
bool is_packed(const std::string& name) {
  return name.ends_with("weight") && name.find("embed") == name.npos && name.find("emb_layers") == name.npos && name.find("label_emb") == name.npos &&
         !name.starts_with("first_stage_model.");
}

ModelToWrite model_to_write(const std::string& name, const ConvertOptions& options) {
  const std::string path = find_model(name);
  const std::optional<DType> dtype = dtype_named(options.dtype);
  FoundModel model = find_model(path, options.parts);
  Checkpoint checkpoint(model, path, options.parts);
  if (checkpoint.vae.tiny)
    fail(ErrorKind::unsupported, path, ": its VAE is a TAESD (AutoencoderTiny), which is not written; leave it out, or name another (vae: --vae)");
  std::vector<NetworkTensors> texts;
  for (const FoundText& text : model.texts) texts.push_back(tensors_of(text.network, "text_encoder", dtype));
  NetworkTensors unet = tensors_of(model.unet, "unet", dtype), vae = tensors_of(model.vae, "vae", dtype);
  return {std::move(model), std::move(checkpoint), std::move(texts), std::move(unet), std::move(vae)};
}

enum class Target { safetensors, gguf, folder };

/// By the name's ending, in capitals or not. A folder's name may have a dot in it ("sd-v1.5"), but not the ending of a file that somebody meant.
Target target_of(const std::string& output) {
  const std::filesystem::path path(output);
  std::string ending = path.extension().string();
  if (ending.empty() && path.filename().string().starts_with('.')) ending = path.filename().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const bool has_name = path.has_extension();
  if (ending == ".safetensors" && has_name) return Target::safetensors;
  if (ending == ".gguf" && has_name) return Target::gguf;
  for (const char* pickle : {".ckpt", ".pt", ".pth", ".bin", ".pkl"})
    if (ending == pickle) fail(ErrorKind::unsupported, output, ": pickles are read, but not written; name a .safetensors file or a folder");
  for (const char* other : {".safetensors", ".gguf", ".safetensor", ".safetensros", ".sft", ".st", ".ggml", ".ggjt", ".onnx", ".h5", ".msgpack",
                            ".npz", ".zip", ".tar", ".json", ".txt", ".png"})
    if (ending == other)
      fail(ErrorKind::invalid_argument, output, ": its ending is a file's, but none that is written; name NAME.safetensors, NAME.gguf or a folder");
  return Target::folder;
}

void check_packing(Packing packing, Target target, const std::string& output, const std::string& dtype) {
  if (packing != Packing::none && target != Target::gguf)
    fail(ErrorKind::unsupported, output, ": ", dtype, " is a type of GGUF files; name a .gguf file");
}

WriteProgress progress_of(const ConvertOptions& options, std::int64_t total) {
  return [&options, total](std::uint64_t done) {
    if (options.on_progress) options.on_progress(std::min(static_cast<std::int64_t>(done), total), total);
  };
}

/// The networks of a file that has a VAE or a text encoder but no UNet; empty for any other.
FileNetworks part_in(const WeightReader& file) {
  FileNetworks networks = find_networks(file);
  return networks.unet.empty() ? networks : FileNetworks();
}

/// Such a part keeps the names that it has.
ConvertResult write_part(const std::shared_ptr<const WeightReader>& file, const FileNetworks& networks, const std::string& output,
                         const ConvertOptions& options) {
  const std::optional<DType> dtype = dtype_named(options.dtype);
  const Target target = target_of(output);
  if (target != Target::safetensors || packing_named(options.dtype) != Packing::none)
    fail(ErrorKind::unsupported, output, ": a part of a model is written as a .safetensors file alone, with float32, float16 or bfloat16");
  std::map<std::string, TensorToWrite> tensors;
  ConvertResult result;
  result.format = "safetensors";
  for (const NameMap* network : {&networks.vae, &networks.text_encoder, &networks.text_encoder_2})
    for (const auto& [ours, source] : *network) {
      const TensorInfo info = file->describe(source.name).value();
      if (!is_floating_point(info.dtype)) continue;
      const DType written = dtype.value_or(info.dtype == DType::float64 ? DType::float32 : info.dtype);
      tensors.try_emplace(source.name, TensorToWrite{source.name, file, {source.name}, info.shape, written});
    }
  std::vector<TensorToWrite> all;
  for (auto& [name, tensor] : tensors) {
    result.bytes += static_cast<std::int64_t>(tensor.bytes());
    all.push_back(std::move(tensor));
  }
  write_safetensors(output, std::move(all), {{"format", "pt"}}, progress_of(options, result.bytes));
  return result;
}

bool names_no_part(const ModelParts& parts) {
  return parts.vae.empty() && parts.text_encoder.empty() && parts.text_encoder_2.empty() && parts.tokenizer.empty() && parts.config.empty();
}

ConvertResult write(const ModelToWrite& model, const std::string& output, const ConvertOptions& options) {
  ConvertResult result;
  result.bytes = static_cast<std::int64_t>(model.bytes());
  result.warnings = model.checkpoint.warnings;
  if (model.model.has_safety_checker) result.warnings.push_back("the model's safety checker was left out");
  const WriteProgress progress = progress_of(options, result.bytes);
  const Packing packing = packing_named(options.dtype);
  const Target target = target_of(output);
  if (target == Target::gguf) {
    result.format = "GGUF";
    result.warnings.push_back(kNoTokenizer);
    const char* family = model.checkpoint.unet.added_channels > 0 ? "sdxl" : model.checkpoint.unet.context_channels == 1024 ? "sd2" : "sd1";
    write_gguf(output, single_file_tensors(model), family, single_file_metadata(model), packing, is_packed, progress);
  } else if (target == Target::safetensors) {
    result.format = "safetensors";
    result.warnings.push_back(kNoTokenizer);
    write_safetensors(output, single_file_tensors(model), single_file_metadata(model), progress);
  } else {
    result.format = "diffusers folder";
    write_model_folder(output, model, progress);
  }
  return result;
}

}  // namespace

ConvertResult convert(const std::string& path, const std::string& output, const ConvertOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    check_packing(packing_named(options.dtype), target_of(output), output, options.dtype);
    std::error_code unseen;
    if (const std::string file = find_model(path); names_no_part(options.parts) && std::filesystem::is_regular_file(file, unseen)) {
      const std::shared_ptr<const WeightReader> weights = open_weights_file(file);
      if (const FileNetworks part = part_in(*weights); !part.empty()) return write_part(weights, part, output, options);
    }
    return write(model_to_write(path, options), output, options);
  });
}

}  // namespace impasto
