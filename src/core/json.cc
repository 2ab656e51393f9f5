#include "core/json.h"

#include <utility>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"

namespace impasto {
namespace {

// Builds a Json while watching what nlohmann's own builder lets pass: repeated keys and depth. `open_` holds the containers not yet
// closed; their addresses are stable, since only the innermost one grows.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(const std::string& where, int max_depth) : where_(where), max_depth_(max_depth) {}
  ~StrictBuilder() override { dismantle(root_); }

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [place, is_new] = open_.back()->get_ref<Json::object_t&>().try_emplace(name);
    if (!is_new) fail(ErrorKind::bad_file, where_, ": the key ", in_quotes(name), " stands twice in one JSON object");
    member_ = &place->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorKind::bad_file, where_, ": not valid JSON at byte ", position, ": ", json_reason(error));
  }

 private:
  template <typename T>
  Json* put(T&& value) {
    if (open_.empty()) return &(root_ = std::forward<T>(value));
    if (open_.back()->is_object()) return &(*member_ = std::forward<T>(value));
    return &open_.back()->get_ref<Json::array_t&>().emplace_back(std::forward<T>(value));
  }

  template <typename T>
  bool add(T&& value) {
    put(std::forward<T>(value));
    return true;
  }

  bool open(Json container) {
    if (static_cast<int>(open_.size()) >= max_depth_) fail(ErrorKind::bad_file, where_, ": JSON nested deeper than ", max_depth_, " levels");
    open_.push_back(put(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const int max_depth_;
  Json root_;
  Json* member_ = nullptr;
  std::vector<Json*> open_;
};

std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return concat("an array of ", value.size());
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>(), 60);
  return value.dump();
}

[[noreturn]] void fail_field(const std::string& where, const std::string& field, const std::string& expected, const Json& found) {
  fail(ErrorKind::bad_file, where, ": field ", printable(field), ": expected ", expected, ", found ", describe(found));
}

std::int64_t to_integer(const Json& value, const std::string& where, const std::string& field, std::int64_t low, std::int64_t high) {
  const bool beyond_int64 = value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (!value.is_number_integer() || beyond_int64 || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    fail_field(where, field, concat("an integer from ", low, " to ", high), value);
  return value.get<std::int64_t>();
}

double to_number(const Json& value, const std::string& where, const std::string& field) {
  if (!value.is_number()) fail_field(where, field, "a number", value);
  return value.get<double>();
}

const std::string& to_text(const Json& value, const std::string& where, const std::string& field) {
  if (!value.is_string()) fail_field(where, field, "a string", value);
  return value.get_ref<const std::string&>();
}

// convert(element, "field[i]") for each element of an array field.
template <typename T, typename Convert>
std::vector<T> each(const JsonObject& object, const char* key, const std::vector<T>& fallback, const char* expected, const Convert& convert) {
  if (!object.has(key)) return fallback;
  const Json& array = object.value().at(key);
  if (!array.is_array()) fail_field(object.where(), key, expected, array);
  std::vector<T> out;
  for (std::size_t i = 0; i < array.size(); ++i) out.push_back(convert(array[i], concat(key, "[", i, "]")));
  return out;
}

// The text with NaN, Infinity and -Infinity outside strings as null.
std::string without_python_constants(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    const std::string_view rest = text.substr(i);
    const auto length = [&](std::string_view constant) { return !in_string && rest.starts_with(constant) ? constant.size() : 0; };
    if (const std::size_t skip = length("-Infinity") + length("Infinity") + length("NaN"); skip > 0) {
      out += "null";
      i += skip - 1;
    } else {
      out += c;
      if (in_string && c == '\\' && i + 1 < text.size()) out += text[++i];
    }
  }
  return out;
}

}  // namespace

std::string json_reason(const nlohmann::detail::exception& error) {
  std::string_view reason = error.what();
  if (const auto end = reason.find("] "); end != reason.npos) reason.remove_prefix(end + 2);
  if (const auto end = reason.find(": "); end != reason.npos) reason.remove_prefix(end + 2);
  // The text around that place may be of a file that is not meant to be shown.
  if (const auto quoted = reason.find("; last read:"); quoted != reason.npos) reason = reason.substr(0, quoted);
  return printable(reason);
}

void dismantle(Json& value) noexcept {
  if (auto* object = value.get_ptr<Json::object_t*>(); object != nullptr) {
    for (auto& [key, member] : *object) dismantle(member);
    object->clear();
  } else if (auto* array = value.get_ptr<Json::array_t*>(); array != nullptr) {
    for (Json& element : *array) dismantle(element);
    array->clear();
  }
}

Json parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) fail(ErrorKind::bad_file, where, ": has ", text.size(), " bytes of JSON, expected at most ", limits.max_bytes);
  // The parser takes a NUL for the end of its input and would not look at what follows.
  if (const auto nul = text.find('\0'); nul != text.npos) fail(ErrorKind::bad_file, where, ": not valid JSON at byte ", nul + 1, ": NUL character");
  const std::string plain = limits.python_constants ? without_python_constants(text) : std::string();
  if (limits.python_constants) text = plain;
  StrictBuilder builder(where, limits.max_depth);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Json read_json(const std::string& path, const JsonLimits& limits) {
  JsonLimits of_a_file = limits;
  of_a_file.python_constants = true;
  return parse_json(read_file(path, limits.max_bytes), path, of_a_file);
}

JsonObject::JsonObject(Json value, const std::string& where) try : where_(where) {
  if (!value.is_object()) fail(ErrorKind::bad_file, where_, ": expected a JSON object, found ", describe(value));
  value_ = std::move(value);
} catch (...) {
  dismantle(value);
  throw;
}

JsonObject JsonObject::with(const char* key, Json value) const {
  JsonObject copy = *this;
  copy.value_[key] = std::move(value);
  return copy;
}

std::int64_t JsonObject::integer(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high) const {
  return has(key) ? to_integer(value_.at(key), where_, key, low, high) : fallback;
}

double JsonObject::number(const char* key, double fallback) const { return has(key) ? to_number(value_.at(key), where_, key) : fallback; }

bool JsonObject::boolean(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!value_.at(key).is_boolean()) fail_field(where_, key, "true or false", value_.at(key));
  return value_.at(key).get<bool>();
}

std::string JsonObject::text(const char* key, const std::string& fallback) const {
  return has(key) ? to_text(value_.at(key), where_, key) : fallback;
}

std::vector<std::int64_t> JsonObject::integers(const char* key, const std::vector<std::int64_t>& fallback, std::int64_t low,
                                               std::int64_t high) const {
  return each(*this, key, fallback, "an array of integers",
              [&](const Json& e, const std::string& field) { return to_integer(e, where_, field, low, high); });
}

std::vector<std::string> JsonObject::texts(const char* key, const std::vector<std::string>& fallback) const {
  return each(*this, key, fallback, "an array of strings", [&](const Json& e, const std::string& field) { return to_text(e, where_, field); });
}

std::vector<double> JsonObject::numbers(const char* key, const std::vector<double>& fallback) const {
  return each(*this, key, fallback, "an array of numbers", [&](const Json& e, const std::string& field) { return to_number(e, where_, field); });
}

}  // namespace impasto
