// JSON from outside: bounded, strict, and with errors that name the file and the field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace impasto {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_bytes = 64u << 20;
  int max_depth = 32;
  /// Python's json module writes NaN, Infinity and -Infinity, which are not JSON: taken as null ("missing") where a file may come from it.
  bool python_constants = false;
};

/// Parses `text`. Refuses duplicate keys (nlohmann would keep the last silently), nesting beyond the limit, trailing data and invalid
/// UTF-8. `where` names the source in the message. Throws bad_file.
Json parse_json(std::string_view text, const std::string& where, const JsonLimits& limits = {});

/// Reads a file and parses it, Python's constants allowed. Throws not_found, io or bad_file.
Json read_json(const std::string& path, const JsonLimits& limits = {});

/// What the parser says is wrong, without its own names and places; printable.
std::string json_reason(const nlohmann::detail::exception& error);

/// Empties a value without asking for memory. nlohmann's destructor asks for some wherever a container holds anything, and ends the process
/// when there is none: so what is held while memory may run out is taken apart first.
void dismantle(Json& value) noexcept;

/// A JSON object with its place, for reading configs field by field: a missing field gives the default, a field of another type
/// throws bad_file naming file, field, what was expected and what was found. A field that is null counts as missing.
class JsonObject {
 public:
  JsonObject(Json value, const std::string& where);
  JsonObject(const JsonObject&) = default;
  JsonObject(JsonObject&&) = default;
  JsonObject& operator=(const JsonObject&) = default;
  JsonObject& operator=(JsonObject&&) = default;
  ~JsonObject() { dismantle(value_); }

  /// The same with one field set, to a number, a text, a boolean, or a list of those.
  JsonObject with(const char* key, Json value) const;

  const Json& value() const { return value_; }
  const std::string& where() const { return where_; }
  bool has(const char* key) const { return value_.contains(key) && !value_.at(key).is_null(); }

  std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high) const;
  double number(const char* key, double fallback) const;
  bool boolean(const char* key, bool fallback) const;
  std::string text(const char* key, const std::string& fallback) const;
  std::vector<std::int64_t> integers(const char* key, const std::vector<std::int64_t>& fallback, std::int64_t low, std::int64_t high) const;
  std::vector<std::string> texts(const char* key, const std::vector<std::string>& fallback) const;
  std::vector<double> numbers(const char* key, const std::vector<double>& fallback) const;

 private:
  std::string where_;
  Json value_;
};

}  // namespace impasto
