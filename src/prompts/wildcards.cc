#include "impasto/wildcards.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <string_view>
#include <vector>

#include "core/fail.h"
#include "core/file.h"
#include "core/guard.h"
#include "core/quote.h"
#include "core/utf8.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "__";
constexpr int kMostNested = 16;
constexpr std::size_t kMostBytes = 64u << 10, kMostFileBytes = 16u << 20;

bool is_one_of(char c, std::string_view others) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || others.find(c) != others.npos;
}

bool is_name(std::string_view text) {
  return is_one_of(text.front(), "./") && is_one_of(text.back(), "-./") &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_one_of(c, " -_./"); });
}

/// Lines of the list in `path` that count.
std::vector<std::string> lines_of(std::string_view text, const std::string& path) {
  constexpr std::string_view kSpace = " \t\r\v\f";
  constexpr std::string_view kByteOrder = "\xEF\xBB\xBF";  // editors' mark for UTF-8
  std::vector<std::string> lines;
  if (text.starts_with(kByteOrder)) text.remove_prefix(kByteOrder.size());
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto begin = line.find_first_not_of(kSpace);
    if (begin == line.npos || line[begin] == '#') continue;
    if (!is_utf8(line)) fail(ErrorKind::bad_file, path, ": line ", number, " is not valid UTF-8; save the list in that encoding");
    lines.emplace_back(line.substr(begin, line.find_last_not_of(kSpace) + 1 - begin));
  }
  return lines;
}

class Expander {
 public:
  Expander(const std::string& folder, std::uint64_t seed) : folder_(folder), random_(seed) {}

  std::string expand(std::string_view text, int depth = 0) {
    std::string out;
    while (true) {
      const std::size_t begin = text.find(kMark), end = begin == text.npos ? begin : end_of_name(text, begin + kMark.size());
      out += text.substr(0, begin);
      if (begin == text.npos) break;
      if (end == text.npos) {  // marks that are no wildcard's
        out += kMark;
        text.remove_prefix(begin + kMark.size());
        continue;
      }
      const std::string name(text.substr(begin + kMark.size(), end - begin - kMark.size()));
      if (depth == kMostNested)
        fail(ErrorKind::invalid_argument, "wildcard __", name, "__: nested more than ", kMostNested, " deep; does a list name itself?");
      out += expand(drawn(name), depth + 1);
      text.remove_prefix(end + kMark.size());
      if (out.size() > kMostBytes) break;
    }
    if (out.size() > kMostBytes) fail(ErrorKind::invalid_argument, "the prompt with its wildcards filled in has more than ", kMostBytes, " bytes");
    return out;
  }

 private:
  /// Where the name that begins at `begin` ends: at the next mark, nothing else than a name before it.
  static std::size_t end_of_name(std::string_view text, std::size_t begin) {
    const std::size_t end = text.find(kMark, begin + 1);
    return end != text.npos && is_name(text.substr(begin, end - begin)) ? end : text.npos;
  }

  const std::string& drawn(const std::string& name) {
    const std::vector<std::string>& lines = list(name);
    // Numbers from the last, incomplete round of the range would prefer the first lines.
    const std::uint64_t n = lines.size(), unfair = (0 - n) % n;
    std::uint64_t number = random_();
    while (number < unfair) number = random_();
    return lines[number % n];
  }

  const std::vector<std::string>& list(const std::string& name) {
    const auto [place, is_new] = lists_.try_emplace(name);
    if (!is_new) return place->second;
    const fs::path relative = fs::path(name + ".txt").lexically_normal();
    if (relative.is_absolute() || *relative.begin() == "..")
      fail(ErrorKind::invalid_argument, "wildcard ", in_quotes(name), " leads out of the folder ", folder_);
    const fs::path path = fs::path(folder_) / relative;
    std::error_code error;
    if (!has_entry(path.string()) || !fs::is_regular_file(path, error))
      fail(ErrorKind::not_found, "wildcard __", name, "__: there is no file ", path.string());
    place->second = lines_of(read_file(path.string(), kMostFileBytes), path.string());
    if (place->second.empty()) fail(ErrorKind::bad_file, path.string(), ": no line to draw; empty lines and those with # do not count");
    return place->second;
  }

  const std::string folder_;
  std::mt19937_64 random_;
  std::map<std::string, std::vector<std::string>> lists_;
};

}  // namespace

std::string expand_wildcards(const std::string& prompt, const std::string& folder, std::uint64_t seed) {
  return guarded([&] {
    std::error_code error;
    if (!has_entry(folder) || !fs::is_directory(folder, error)) fail(ErrorKind::not_found, folder, ": no such folder of wildcards");
    return Expander(folder, seed).expand(prompt);
  });
}

}  // namespace impasto
