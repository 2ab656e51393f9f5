#include "cli/output_path.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/text.h"
#include "impasto/error.h"
#include "impasto/image.h"

namespace impasto::cli {
namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(ErrorKind kind, const std::string& message) { throw Error(kind, "--output: " + message); }

bool exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_device_or_pipe(const fs::path& path) {
  std::error_code error;
  return fs::is_other(path, error);
}

/// A run "%d" or "%03d" at `at`: its length and its smallest number of digits. Anything else after a % is text.
struct NumberField {
  std::size_t length = 0, digits = 0;
};

NumberField number_field(const std::string& text, std::size_t at) {
  if (text[at] != '%') return {};
  std::size_t end = at + 1;
  if (end + 1 < text.size() && text[end] == '0' && std::isdigit(static_cast<unsigned char>(text[end + 1])) != 0) end += 2;
  if (end >= text.size() || text[end] != 'd') return {};
  return {end + 1 - at, end == at + 1 ? 1 : static_cast<std::size_t>(text[end - 1] - '0')};
}

std::string padded(int number, std::size_t digits) {
  const std::string text = std::to_string(number);
  return std::string(digits - std::min(digits, text.size()), '0') + text;
}

/// `pattern` with its fields filled in; a word may stand in for the number.
std::string filled(const std::string& pattern, int index, std::uint64_t seed, const std::string& word = "") {
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    if (const NumberField field = number_field(pattern, at); field.length > 0) {
      out += word.empty() ? padded(index + 1, field.digits) : word;
      at += field.length;
    } else if (pattern.compare(at, 7, "{index}") == 0) {
      out += word.empty() ? std::to_string(index + 1) : word;
      at += 7;
    } else if (pattern.compare(at, 6, "{seed}") == 0) {
      out += std::to_string(seed);
      at += 6;
    } else {
      out += pattern[at++];
    }
  }
  return out;
}

bool has_fields(const std::string& text) { return filled(text, 0, 0) != text; }

/// ".png" added where there is no extension.
std::string with_extension(const std::string& text) {
  const std::string extension = fs::path(text).extension().string();
  if (extension.empty()) return text + ".png";
  if (!image_format_of(text)) {
    fail(ErrorKind::invalid_argument,
         "pictures are written as PNG, JPEG or WebP, so \"" + printable(text) + "\" should end in .png, .jpg or .webp, not " + printable(extension));
  }
  return text;
}

std::string numbered(const std::string& text) {
  const fs::path path(text);
  return (path.parent_path() / (path.stem().string() + "-{index}" + path.extension().string())).string();
}

/// "cat-step-05.png" for "cat.png".
std::string marked(const std::string& file, const std::string& mark) {
  const fs::path path(file);
  return (path.parent_path() / (path.stem().string() + mark + path.extension().string())).string();
}

std::string generated_base(const std::string& folder, std::uint64_t seed) {
  return (fs::path(folder == "." ? "" : folder) / ("impasto-" + std::to_string(seed))).string();
}

/// `base`.png, or base-2.png, ... if that is taken.
std::string free_of(const std::string& base) {
  std::string name = base + ".png";
  for (int n = 2; exists(name); ++n) name = base + "-" + std::to_string(n) + ".png";
  return name;
}

std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}

bool may(const std::string& path, int mode) { return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0; }

void check_folder(const std::string& folder) {
  const std::string shown = "folder \"" + printable(folder) + "\"";
  if (!exists(folder)) fail(ErrorKind::not_found, shown + " does not exist; make it first, or name another");
  if (!is_folder(folder)) fail(ErrorKind::invalid_argument, "\"" + printable(folder) + "\" is a file, so nothing can be put inside it");
  if (!may(folder, W_OK | X_OK)) fail(ErrorKind::io, shown + " cannot be written to: " + std::generic_category().message(errno) + "; name another");
}

void check_file(const std::string& file) {
  if (is_folder(file)) fail(ErrorKind::invalid_argument, "\"" + printable(file) + "\" is a folder, and a picture was to go there");
  if (exists(file) && !may(file, W_OK)) {
    fail(ErrorKind::io, "\"" + printable(file) + "\" is there and cannot be overwritten: " + std::generic_category().message(errno));
  }
}

void check_space(const std::string& folder, std::int64_t bytes) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0 || disk.f_blocks == 0) return;
  const auto free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  if (free < bytes) {
    fail(ErrorKind::io, "folder \"" + printable(folder) + "\" is on a full disk: " + in_bytes(free) + " left, and the pictures need at least " +
                            in_bytes(bytes) + "; free some space or name another folder");
  }
}

}  // namespace

std::string free_name(const std::string& folder, std::uint64_t seed) { return free_of(generated_base(folder, seed)); }

OutputPath::OutputPath(const std::string& text, int num_images) : pattern_(text) {
  if (text.empty() || text.back() == '/' || is_folder(text)) {
    generated_ = true;
    pattern_ = text.empty() ? "." : text;
  } else if (!is_device_or_pipe(text)) {
    pattern_ = with_extension(text);
    if (num_images > 1 && !has_fields(text)) pattern_ = numbered(pattern_);
  }
}

std::string OutputPath::name(int index, std::uint64_t seed) const {
  if (!generated_) return filled(pattern_, index, seed);
  const auto previewed = bases_.find(index);
  return previewed == bases_.end() ? free_name(pattern_, seed) : free_of(previewed->second);
}

/// Chosen at the first preview: the picture's name as far as can be told, and one that no other picture's previews have.
const std::string& OutputPath::base_of(int index, std::uint64_t seed, const std::string& mark) const {
  const auto [place, is_new] = bases_.try_emplace(index);
  if (!is_new) return place->second;
  const std::string first = generated_base(pattern_, seed);
  std::string base = first;
  const auto taken = [&] {
    const bool by_another = std::any_of(bases_.begin(), bases_.end(), [&](const auto& one) { return one.first != index && one.second == base; });
    return by_another || exists(base + ".png") || exists(base + mark + ".png");
  };
  for (int n = 2; taken(); ++n) base = first + "-" + std::to_string(n);
  return place->second = base;
}

std::string OutputPath::preview_name(int index, std::uint64_t seed, int step) const {
  const std::string mark = "-step-" + padded(step, 2);
  if (!generated_) return marked(filled(pattern_, index, seed), mark);
  return base_of(index, seed, mark) + mark + ".png";
}

std::string OutputPath::sheet_name(std::uint64_t seed) const {
  if (generated_) return free_of(generated_base(pattern_, seed) + "-grid");
  const std::string name = filled(pattern_, 0, seed, "grid");
  return name == filled(pattern_, 0, seed) ? marked(name, "-grid") : name;
}

bool OutputPath::is_file() const { return generated_ || !is_device_or_pipe(pattern_); }

void OutputPath::check(const std::vector<std::uint64_t>& seeds, std::int64_t bytes) const {
  if (generated_) check_folder(pattern_);
  std::set<std::string> names;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const std::string file = name(static_cast<int>(i), seeds[i]);
    if (is_device_or_pipe(file)) continue;
    check_folder(folder_of(file));
    check_file(file);
    if (!names.insert(file).second && !generated_) {
      fail(ErrorKind::invalid_argument, "two pictures would be named \"" + printable(file) + "\"; put {index} into the pattern");
    }
  }
  if (!names.empty()) check_space(folder_of(*names.begin()), bytes * static_cast<std::int64_t>(names.size()));
}

}  // namespace impasto::cli
