// Files of textual inversion, whoever wrote them.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "core/fail.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/embedding.h"
#include "weights/reader.h"
#include "weights/widened.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostVectors = 75;  // what a prompt has room for
// Names of tensors that say nothing of the word: A1111's, kohya-ss's for SDXL, and those of a .pt file's "string_to_param".
constexpr std::array<std::string_view, 5> kWordless{"emb_params", "clip_l", "clip_g", "*", "string_to_param.*"};

bool is_wordless(std::string_view name) { return std::find(kWordless.begin(), kWordless.end(), name) != kWordless.end(); }

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  fail(ErrorKind::bad_file, path, ": not an embedding: ", why, "; expected one tensor of shape [vectors, width], or clip_l and clip_g");
}

Embedding::Tensor read_tensor(const WeightReader& reader, const std::string& name, const std::string& path) {
  const TensorInfo info = reader.describe(name).value();
  const std::string shown = concat("tensor ", in_quotes(name), " has shape ", info.shape.to_string());
  if (!is_floating_point(info.dtype) || info.shape.rank() < 1 || info.shape.rank() > 2 || info.shape.count() == 0) refuse(path, shown);
  Embedding::Tensor tensor{name, info.shape.rank() == 1 ? 1 : info.shape[0], info.shape.back(), {}};
  if (tensor.vectors > kMostVectors) refuse(path, shown + ", but a prompt has room for " + std::to_string(kMostVectors) + " vectors");
  tensor.values = widened(reader, name);
  if (!all_finite(tensor.values)) fail(ErrorKind::bad_file, path, ": tensor ", in_quotes(name), " holds values that are no finite numbers");
  return tensor;
}

}  // namespace

Embedding read_embedding(const std::string& path) {
  return guarded([&] {
    const auto reader = open_weights_file(path);
    const std::vector<std::string> names = reader->names();
    const bool for_sdxl = names == std::vector<std::string>{"clip_g", "clip_l"};
    if (names.empty()) refuse(path, "it holds no tensor");
    if (names.size() > 1 && !for_sdxl) refuse(path, concat("it holds ", names.size(), " tensors, among them ", in_quotes(names.front())));
    Embedding embedding{{fs::path(path).stem().string()}, path, {}};
    for (const std::string& name : names) {
      embedding.tensors.push_back(read_tensor(*reader, name, path));
      if (!is_wordless(name) && name != embedding.names.front()) embedding.names.push_back(name);
    }
    return embedding;
  });
}

}  // namespace impasto
