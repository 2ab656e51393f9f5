#include "support/single_file.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "support/golden.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

struct Writer {
  std::string header = "{", data;

  void add(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& bytes) {
    header += (header.size() > 1 ? "," : "") + record(name, dtype, shape, data.size(), data.size() + bytes.size());
    data += bytes;
  }
};

std::string type_name(DType type) {
  switch (type) {
    case DType::float16: return "F16";
    case DType::bfloat16: return "BF16";
    default: return "F32";
  }
}

/// Of a matrix; its shape is exchanged, too.
std::string transposed(const std::string& bytes, Shape& shape, std::size_t size) {
  std::string out;
  for (std::int64_t column = 0; column < shape[1]; ++column)
    for (std::int64_t row = 0; row < shape[0]; ++row) out += bytes.substr(static_cast<std::size_t>(row * shape[1] + column) * size, size);
  shape = {shape[1], shape[0]};
  return out;
}

/// The named tensors one after the other, as the published files have them: attention in the VAE was a 1x1 convolution.
void add_tensor(Writer& writer, const std::string& name, const WeightReader& weights, std::istream& parts) {
  std::string bytes;
  Shape shape;
  DType type = DType::float32;
  for (std::string part; parts >> part;) {
    const TensorView view = weights.find(part);
    if (!view) throw std::runtime_error("no tensor " + part);
    bytes.append(view.as<char>(), view.bytes());
    type = view.dtype;
    const std::int64_t rows = bytes.size() == view.bytes() ? 0 : shape[0];
    shape = view.shape;
    shape[0] += rows;
  }
  if (name.ends_with(".text_projection")) bytes = transposed(bytes, shape, size_of(type));
  std::string written = shape.to_string();
  if (name.find(".mid.attn_1.") != name.npos && shape.rank() == 2) written.insert(written.size() - 1, ", 1, 1");
  writer.add(name, type_name(type), written, bytes);
}

void add_foreign_tensors(Writer& writer) {
  writer.add("alphas_cumprod", "F32", "[2]", std::string(8, '\0'));
  writer.add("cond_stage_model.transformer.text_model.embeddings.position_ids", "I64", "[1, 2]", std::string(16, '\0'));
  writer.add("model_ema.decay", "F64", "[]", std::string(8, '\0'));
  writer.add("model_ema.diffusion_modelout2weight", "F8_E4M3", "[3]", std::string(3, '\0'));
}

}  // namespace

void write_single_file(const std::string& checkpoint, const std::string& path, const SingleFile& changes) {
  const std::string folder = test_checkpoint(checkpoint);
  std::map<std::string, std::shared_ptr<const WeightReader>> weights;
  for (const std::string part : {"text_encoder", "text_encoder_2", "unet", "vae"})
    if (std::filesystem::exists(folder + "/" + part))
      weights[part] = open_weights(folder + "/" + part, part.starts_with("text_encoder") ? "model" : "diffusion_pytorch_model");
  Writer writer;
  if (!changes.metadata.empty()) writer.header += "\"__metadata__\":" + changes.metadata;
  if (changes.foreign_tensors) add_foreign_tensors(writer);
  std::ifstream table(IMPASTO_TEST_DATA "/single_files/" + std::string(checkpoint == "tiny-inpaint" ? "tiny-sd15" : checkpoint) + ".tsv");
  if (!table) throw std::runtime_error("no table for " + checkpoint);
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string name, part;
    row >> name >> part;
    if (name = changes.rename(name); !name.empty()) add_tensor(writer, name, *weights.at(part), row);
  }
  std::ofstream(path, std::ios::binary) << make_safetensors(writer.header + "}", writer.data);
}

}  // namespace impasto::test
