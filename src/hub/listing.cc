#include "hub/listing.h"

#include "core/fail.h"
#include "core/json.h"
#include "hub/reference.h"

namespace impasto {
namespace {

constexpr std::size_t kMostBytes = 32u << 20, kMostFiles = 100'000;

std::optional<std::uint64_t> size_of(const Json& entry) {
  const auto size = entry.find("size");
  if (size == entry.end() || !size->is_number_integer() || *size < 0 || *size > INT64_MAX) return std::nullopt;
  return size->get<std::uint64_t>();
}

std::string text_of(const Json& entry, const char* key) {
  const auto value = entry.find(key);
  return value != entry.end() && value->is_string() ? value->get<std::string>() : std::string();
}

ListedFile listed(const Json& entry) {
  ListedFile file{size_of(entry), text_of(entry, "blobId")};
  if (!is_git_hash(file.hash)) file.hash.clear();
  const auto lfs = entry.find("lfs");
  if (lfs == entry.end() || !lfs->is_object()) return file;
  const std::string sha256 = text_of(*lfs, "sha256");
  file.hash = is_sha256(sha256) ? sha256 : "";
  if (const auto size = size_of(*lfs)) file.size = size;
  return file;
}

}  // namespace

Listing parse_listing(std::string_view text, const std::string& where) {
  const JsonObject answer(parse_json(text, where, {.max_bytes = kMostBytes}), where);
  Listing listing;
  listing.commit = answer.text("sha", "");
  if (!is_git_hash(listing.commit)) fail(ErrorKind::bad_file, where, ": names no commit (\"sha\"); is it a Hub?");
  if (!answer.has("siblings") || !answer.value().at("siblings").is_array()) fail(ErrorKind::bad_file, where, ": lists no files (\"siblings\")");
  for (const Json& entry : answer.value().at("siblings")) {
    if (!entry.is_object()) fail(ErrorKind::bad_file, where, ": a file is listed as ", entry.type_name(), ", expected an object");
    const std::string path = text_of(entry, "rfilename");
    if (listing.files.size() >= kMostFiles) fail(ErrorKind::bad_file, where, ": lists more than ", kMostFiles, " files");
    if (is_safe_relative_path(path)) listing.files.emplace(path, listed(entry));
  }
  return listing;
}

}  // namespace impasto
