#include "hub/needed_files.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "core/fail.h"
#include "core/quote.h"
#include "hub/reference.h"

namespace impasto {
namespace {

struct Network {
  const char *folder, *stem;
};
constexpr Network kNetworks[] = {{"unet", "diffusion_pytorch_model"}, {"vae", "diffusion_pytorch_model"}};
/// With their tokenizers. SDXL has both, its refiner the second alone.
constexpr std::pair<const char*, const char*> kTexts[] = {{"text_encoder", "tokenizer"}, {"text_encoder_2", "tokenizer_2"}};
/// Folders of models that are built otherwise: told apart before gigabytes have come.
constexpr const char* kForeign[] = {"text_encoder_3", "transformer", "prior", "image_encoder_2"};

constexpr const char* kAdapters[] = {"pytorch_lora_weights.safetensors", "learned_embeds.safetensors", "pytorch_lora_weights.bin",
                                     "learned_embeds.bin"};

using Files = std::vector<std::string>;

/// The number of shards that "STEM-00001-of-00004.safetensors" speaks of; nothing for other names. `end` is ".safetensors".
std::optional<int> shards_of(std::string_view path, const std::string& prefix, std::string_view end_of_name) {
  constexpr std::size_t kDigits = 5, kMiddle = 4;  // "-of-"
  if (!path.starts_with(prefix) || !path.ends_with(end_of_name)) return std::nullopt;
  const std::string_view numbers = path.substr(prefix.size(), path.size() - prefix.size() - end_of_name.size());
  if (numbers.size() != 2 * kDigits + kMiddle || numbers.substr(kDigits, kMiddle) != "-of-") return std::nullopt;
  int count = 0;
  const auto [end, error] = std::from_chars(numbers.data() + kDigits + kMiddle, numbers.data() + numbers.size(), count);
  return error == std::errc() && end == numbers.data() + numbers.size() ? std::optional(count) : std::nullopt;
}

/// Index and shards, every one of them; empty when one is missing.
Files sharded(const std::set<std::string>& all, const std::string& index, const std::string& prefix, const std::string& end_of_name) {
  if (!all.contains(index)) return {};
  Files files;
  int expected = 0;
  for (auto path = all.lower_bound(prefix); path != all.end() && path->starts_with(prefix); ++path) {
    const auto count = shards_of(*path, prefix, end_of_name);
    if (count) files.push_back(*path);
    if (count) expected = *count;
  }
  if (expected == 0 || static_cast<int>(files.size()) != expected) return {};
  files.push_back(index);
  return files;
}

/// One file, or shards. `folder` is "" or ends with "/"; `variant` as in file names; `end` is ".safetensors" or ".bin".
Files weights(const std::set<std::string>& all, const std::string& folder, const std::string& stem, const std::string& variant,
              const std::string& end) {
  const std::string dot = variant.empty() ? "" : "." + variant;
  const std::string single = folder + stem + dot + end;
  if (all.contains(single)) return {single};
  return sharded(all, folder + stem + end + ".index" + dot + ".json", folder + stem + dot + "-", end);
}

/// The best of a network's weights: safetensors before pickles, which are named otherwise in text encoders; the variant that is wanted before others.
Files best_weights(const std::set<std::string>& all, const std::string& folder, const std::string& stem, const std::string& variant,
                   bool& has_variant) {
  const std::string pickled = stem == "model" ? "pytorch_model" : stem;
  for (const auto& [name, end] : {std::pair(stem, ".safetensors"), std::pair(pickled, ".bin")}) {
    for (const std::string& of : {variant, std::string(), std::string("fp16")}) {
      Files found = weights(all, folder, name, of, end);
      if (found.empty()) continue;
      has_variant |= of == variant;
      return found;
    }
  }
  return {};
}

class Choice {
 public:
  Choice(const std::set<std::string>& all, const std::string& variant, const std::string& where) : all_(all), variant_(variant), where_(where) {}

  void require(const std::string& path) {
    if (!all_.contains(path)) fail(ErrorKind::not_found, where_, ": has no ", path);
    files_.push_back(path);
  }
  void take(const std::string& path) {
    if (all_.contains(path)) files_.push_back(path);
  }
  void require_weights(const std::string& folder, const std::string& stem) {
    const Files found = best_weights(all_, folder, stem, variant_, has_variant_);
    if (found.empty()) fail(ErrorKind::not_found, where_, ": has no (or not all) weights ", folder, stem, ".safetensors");
    files_.insert(files_.end(), found.begin(), found.end());
  }

  Files take_result() {
    if (!variant_.empty() && !has_variant_)
      fail(ErrorKind::not_found, where_, ": has no weights of the variant ", variant_, "; leave it out for those that are there");
    return std::move(files_);
  }

 private:
  const std::set<std::string>& all_;
  const std::string& variant_;
  const std::string& where_;
  Files files_;
  bool has_variant_ = false;
};

bool has_folder(const std::set<std::string>& all, const char* folder) {
  const std::string begin = std::string(folder) + "/";
  const auto first = all.lower_bound(begin);
  return first != all.end() && first->starts_with(begin);
}

Files pipeline_files(const std::set<std::string>& all, const std::string& variant, const std::string& where) {
  for (const char* folder : kForeign)
    if (has_folder(all, folder))
      fail(ErrorKind::unsupported, where, ": is not a Stable Diffusion 1.x, 2.x or XL model (it has a folder ", folder, ")");
  Choice choice(all, variant, where);
  const auto require_network = [&](const std::string& folder, const char* stem) {
    choice.require(folder + "config.json");
    choice.require_weights(folder, stem);
  };
  const bool two = has_folder(all, kTexts[1].first);
  for (const auto& [text_encoder, tokenizer] : kTexts) {
    const bool first = text_encoder == kTexts[0].first;
    if (first ? two && !has_folder(all, text_encoder) : !two) continue;
    const std::string folder = std::string(tokenizer) + "/";
    for (const char* name : {"vocab.json", "merges.txt"}) choice.require(folder + name);
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) choice.take(folder + name);
    require_network(std::string(text_encoder) + "/", "model");
  }
  choice.require("scheduler/scheduler_config.json");
  for (const Network& network : kNetworks) require_network(std::string(network.folder) + "/", network.stem);
  choice.require("model_index.json");
  return choice.take_result();
}

Files component_files(const std::set<std::string>& all, const std::string& variant, const std::string& where) {
  Choice choice(all, variant, where);
  bool ignored = false;
  const bool transformers = !best_weights(all, "", "model", variant, ignored).empty();
  choice.require_weights("", transformers ? "model" : "diffusion_pytorch_model");
  choice.require("config.json");
  return choice.take_result();
}

[[noreturn]] void fail_with_single_files(const std::set<std::string>& all, const std::string& where) {
  std::string names;
  int count = 0;
  for (const std::string& path : all) {
    if (!is_file_of_weights(path)) continue;
    if (++count <= 5) names += (names.empty() ? "" : ", ") + printable(path);
  }
  if (count == 0)
    fail(ErrorKind::unsupported, where, ": is not a Stable Diffusion model: it has no model_index.json, and no weights that can be read");
  fail(ErrorKind::not_found, where, ": has no model_index.json; name one of its files, as ORG/NAME/FILE: ", names, count > 5 ? ", ..." : "");
}

}  // namespace

void check_variant(const std::string& variant) {
  if (variant != "" && variant != "fp16")
    fail(ErrorKind::unsupported, "the variant ", in_quotes(variant), " cannot be loaded; expected fp16, or nothing for the full weights");
}

std::vector<std::string> needed_files(const std::set<std::string>& all, const std::string& variant, const std::string& where) {
  check_variant(variant);
  if (all.contains("model_index.json")) return pipeline_files(all, variant, where);
  for (const char* file : kAdapters)
    if (all.contains(file)) return {file};
  if (all.contains("config.json")) return component_files(all, variant, where);
  fail_with_single_files(all, where);
}

std::span<const char* const> adapter_files() { return kAdapters; }

}  // namespace impasto
