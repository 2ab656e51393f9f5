// A component's weights in a folder: one file, or an index and its shards, as diffusers and transformers save them.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "core/fail.h"
#include "core/file.h"
#include "core/json.h"
#include "core/quote.h"
#include "weights/reader.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;

// Several files that together hold the tensors which the index lists, each in the file that the index says.
class ShardedReader : public WeightReader {
 public:
  ShardedReader(const std::string& folder, const std::string& index_path) : where_(index_path) {
    const JsonObject index(read_json(index_path), index_path);
    if (!index.has("weight_map")) fail(ErrorKind::bad_file, index_path, ": has no weight_map");
    const std::string place = index_path + ": weight_map";
    const JsonObject weight_map(index.value().at("weight_map"), place);
    for (const auto& [name, file] : weight_map.value().items()) add(folder, name, file);
  }

  std::string where() const override { return where_; }
  std::string format() const override { return shards_.empty() ? "shards" : shards_.begin()->second.reader->format(); }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, shard] : shard_of_) all.push_back(name);
    return all;
  }

  std::optional<TensorInfo> describe(std::string_view name) const override {
    const WeightReader* shard = look_up(name);
    return shard != nullptr ? shard->describe(name) : std::nullopt;
  }

  TensorView find(std::string_view name) const override {
    const WeightReader* shard = look_up(name);
    return shard != nullptr ? shard->find(name) : TensorView{};
  }

  void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const override {
    const WeightReader* shard = look_up(name);
    if (shard == nullptr) fail(ErrorKind::not_found, where_, ": has no tensor ", in_quotes(name));
    shard->read_range(name, begin, count, out);
  }

  bool is_contiguous(std::string_view name) const override {
    const WeightReader* shard = look_up(name);
    return shard != nullptr && shard->is_contiguous(name);
  }

  void check_unchanged() const override {
    for (const auto& [file, shard] : shards_) shard.reader->check_unchanged();
  }

  void release_pages() const override {
    for (const auto& [file, shard] : shards_) shard.reader->release_pages();
  }

 private:
  struct Shard {
    std::shared_ptr<const WeightReader> reader;
    std::vector<std::string> names;  // sorted
  };

  void add(const std::string& folder, const std::string& name, const Json& file) {
    if (!file.is_string())
      fail(ErrorKind::bad_file, where_, ": weight_map: tensor ", in_quotes(name), ": expected a file name, found ", file.type_name());
    const Shard& shard = open(folder, file.get_ref<const std::string&>());
    if (!std::binary_search(shard.names.begin(), shard.names.end(), name))
      fail(ErrorKind::bad_file, where_, ": lists tensor ", in_quotes(name), " in ", shard.reader->where(), ", which does not hold it");
    shard_of_[name] = shard.reader.get();
  }

  // The index may name files beside it and nothing else. A file there may be a symbolic link: that is how the Hub's cache is built.
  const Shard& open(const std::string& folder, const std::string& file) {
    if (const auto known = shards_.find(file); known != shards_.end()) return known->second;
    if (file.find_first_of(std::string_view("/\\\0", 3)) != file.npos || (!file.ends_with(".safetensors") && !file.ends_with(".bin")))
      fail(ErrorKind::bad_file, where_, ": weight_map: ", in_quotes(file),
           " is not the plain name of a .safetensors or .bin file in the same folder");
    const std::string path = (fs::path(folder) / file).string();
    if (!has_entry(path)) fail(ErrorKind::not_found, where_, ": lists the file ", in_quotes(file), ", which is not there; get it again");
    auto reader = open_weights_file(path);
    auto names = reader->names();
    return shards_[file] = {std::move(reader), std::move(names)};
  }

  const WeightReader* look_up(std::string_view name) const {
    const auto place = shard_of_.find(name);
    return place != shard_of_.end() ? place->second : nullptr;
  }

  std::string where_;
  std::map<std::string, Shard> shards_;  // by file name
  std::map<std::string, const WeightReader*, std::less<>> shard_of_;
};

/// What a component's weights may be called, the best first: safetensors before pickles, full precision before half.
std::vector<std::string> file_names(const std::string& stem) {
  const std::string old = stem == "model" ? "pytorch_model" : stem;  // transformers' name for pickles
  return {stem + ".safetensors", stem + ".safetensors.index.json", stem + ".fp16.safetensors", stem + ".safetensors.index.fp16.json",
          old + ".bin",          old + ".bin.index.json",          old + ".fp16.bin",          old + ".bin.index.fp16.json"};
}

}  // namespace

std::shared_ptr<const WeightReader> open_weights(const std::string& folder, const std::string& stem) {
  std::error_code ignored;
  std::string looked_for;
  for (const std::string& name : file_names(stem)) {
    const std::string path = (fs::path(folder) / name).string();
    if (has_entry(path) && !name.ends_with(".json")) return open_weights_file(path);
    if (has_entry(path)) return std::make_shared<ShardedReader>(folder, path);
    looked_for += (looked_for.empty() ? "" : ", ") + name;
  }
  if (!fs::is_directory(folder, ignored)) fail(ErrorKind::not_found, folder, ": no such folder");
  fail(ErrorKind::not_found, folder, ": no weights; looked for ", looked_for);
}

}  // namespace impasto
