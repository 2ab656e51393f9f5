#include "weights/original_names.h"

namespace impasto {
namespace {

std::optional<std::string> replaced(std::string_view name, std::string_view from, std::string_view to) {
  if (!name.starts_with(from)) return std::nullopt;
  return std::string(to) + std::string(name.substr(from.size()));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<std::string> to_ours(std::span<const Renaming> table, std::string_view original) {
  for (const Renaming& r : table)
    if (auto name = replaced(original, r.original, r.ours)) return name;
  return std::nullopt;
}

std::optional<std::string> to_original(std::span<const Renaming> table, std::string_view ours) {
  for (const Renaming& r : table)
    if (auto name = replaced(ours, r.ours, r.original)) return name;
  return std::nullopt;
}

bool NameReader::take(std::string_view text) {
  if (!rest_.starts_with(text)) return false;
  rest_.remove_prefix(text.size());
  return true;
}

bool NameReader::take_number(int& number) {
  std::size_t digits = 0;
  int value = 0;
  while (digits < 3 && digits < rest_.size() && is_digit(rest_[digits])) value = 10 * value + (rest_[digits++] - '0');
  const bool padded = digits > 1 && rest_[0] == '0';
  if (digits == 0 || padded || digits == rest_.size() || rest_[digits] != '.') return false;
  number = value;
  rest_.remove_prefix(digits + 1);
  return true;
}

}  // namespace impasto
