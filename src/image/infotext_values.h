// Values of A1111's fields. What is not understood leaves its target as it was.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impasto {

template <typename T>
bool read_number(const std::string& value, T& target) {
  T parsed{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc() || end != value.data() + value.size() || !std::isfinite(static_cast<double>(parsed))) return false;
  target = parsed;
  return true;
}

template <typename T>
bool read_number(const std::string& value, std::optional<T>& target) {
  T parsed{};
  if (!read_number(value, parsed)) return false;
  target = parsed;
  return true;
}

/// "999, 850, 40"
inline bool read_numbers(const std::string& value, std::vector<double>& target) {
  std::vector<double> parsed;
  for (std::size_t begin = 0; begin < value.size();) {
    const std::size_t end = std::min(value.find(", ", begin), value.size());
    if (!read_number(value.substr(begin, end - begin), parsed.emplace_back())) return false;
    begin = end + 2;
  }
  target = std::move(parsed);
  return true;
}

/// "1024x768"
inline bool read_sides(const std::string& value, int& width, int& height) {
  const auto x = value.find('x');
  int w = 0, h = 0;
  if (x == std::string::npos || !read_number(value.substr(0, x), w) || !read_number(value.substr(x + 1), h)) return false;
  width = w, height = h;
  return true;
}

}  // namespace impasto
