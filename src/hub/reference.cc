#include "hub/reference.h"

#include <algorithm>
#include <iterator>

namespace impasto {
namespace {

constexpr std::size_t kLongestName = 96;  // the Hub's own limit for ORG/NAME
constexpr std::size_t kLongestPath = 1024, kLongestPart = 255;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// One half of ORG/NAME by the Hub's rules.
bool is_name(std::string_view part) {
  if (part.empty() || part.find("--") != part.npos || part.find("..") != part.npos || part.ends_with(".git")) return false;
  const auto allowed = [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; };
  const auto edge = [](char c) { return is_alphanumeric(c) || c == '_'; };
  return std::all_of(part.begin(), part.end(), allowed) && edge(part.front()) && edge(part.back());
}

bool is_hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string HubReference::text() const { return repository + (file.empty() ? "" : "/" + file) + (revision == "main" ? "" : "@" + revision); }

std::optional<HubReference> parse_hub_reference(std::string_view text) {
  HubReference reference;
  if (const auto at = text.find('@'); at != text.npos) {
    reference.revision = text.substr(at + 1);
    if (!is_safe_relative_path(reference.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto end = std::min(text.find('/', slash + 1), text.size());
  if (end > kLongestName || !is_name(text.substr(0, slash)) || !is_name(text.substr(slash + 1, end - slash - 1))) return std::nullopt;
  reference.repository = text.substr(0, end);
  if (end == text.size()) return is_file_of_weights(text) ? std::nullopt : std::optional(reference);  // a path, mistyped
  reference.file = text.substr(end + 1);
  const auto name = reference.file.substr(reference.file.rfind('/') + 1);
  if (!is_safe_relative_path(reference.file) || name.find('.') == name.npos) return std::nullopt;  // a folder of somebody's disk
  return reference;
}

bool is_file_of_weights(std::string_view name) {
  constexpr const char* kEndings[] = {".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](const char* ending) { return name.ends_with(ending); });
}

bool is_safe_relative_path(std::string_view path) {
  if (path.empty() || path.size() > kLongestPath) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\') return false;
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > kLongestPart) return false;
    begin = end + 1;
  }
  return true;
}

bool is_git_hash(std::string_view text) { return text.size() == 40 && is_hexadecimal(text); }
bool is_sha256(std::string_view text) { return text.size() == 64 && is_hexadecimal(text); }

}  // namespace impasto
