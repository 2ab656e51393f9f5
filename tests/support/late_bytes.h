// Bytes of a table's row that are made when they are wanted: a program builds its tables for each of its tests.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

namespace impasto::test {

class LateBytes {
 public:
  LateBytes(std::string bytes) : make_([bytes = std::move(bytes)] { return bytes; }) {}
  LateBytes(const char* bytes) : LateBytes(std::string(bytes)) {}
  /// What `make` returns; for large ones.
  template <typename Make, typename = std::enable_if_t<std::is_invocable_v<Make>>>
  LateBytes(Make make) : make_(std::move(make)) {}

  std::string operator()() const { return make_(); }

 private:
  std::function<std::string()> make_;
};

}  // namespace impasto::test
