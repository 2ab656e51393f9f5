#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/guard.h"
#include "hub/cache.h"
#include "hub/environment.h"
#include "hub/needed_files.h"
#include "hub/reference.h"
#include "impasto/hub.h"

namespace impasto {

bool names_model_on_hub(const std::string& text) {
  return guarded([&] { return parse_hub_reference(text) && !has_entry(text); });
}

std::optional<std::string> cached_model(const std::string& name, const std::string& variant) {
  return guarded([&]() -> std::optional<std::string> {
    const auto reference = parse_hub_reference(name);
    if (!reference) return std::nullopt;
    return find_in_cache(HubEnvironment::read().cache, *reference, variant);
  });
}

std::optional<std::string> cached_tokenizer() {
  return guarded([]() -> std::optional<std::string> {
    const std::string cache = HubEnvironment::read().cache;
    for (const char* name : {"vocab.json", "merges.txt"}) {
      if (!find_in_cache(cache, {.repository = kTokenizerModel, .file = name}, "")) return std::nullopt;
    }
    const auto file = find_in_cache(cache, {.repository = kTokenizerModel, .file = "vocab.json"}, "");
    return std::filesystem::path(*file).parent_path().string();
  });
}

std::string find_model(const std::string& model) {
  return guarded([&] {
    const auto reference = parse_hub_reference(model);
    if (!reference || has_entry(model)) return model;
    const HubEnvironment environment = HubEnvironment::read();
    std::string missing;
    if (auto found = find_in_cache(environment.cache, *reference, "", &missing)) return *found;
    fail(ErrorKind::not_found, model, ": no such folder or file, and no model of that name ", missing.empty() ? "" : "is complete ", "in the cache ",
         environment.cache, missing.empty() ? "" : " (" + missing + ")", "; to fetch it from the Hub: impasto download ", model);
  });
}

std::string find_adapter(const std::string& name) {
  return guarded([&] {
    const std::string path = find_model(name);
    std::error_code unseen;  // what cannot be looked at is told when it is opened
    if (!std::filesystem::is_directory(path, unseen)) return path;
    for (const char* file : adapter_files()) {
      const std::string inside = (std::filesystem::path(path) / file).string();
      if (has_entry(inside)) return inside;
    }
    fail(ErrorKind::not_found, name, ": is a folder without ", adapter_files().front(), "; name the adapter's file");
  });
}

}  // namespace impasto
