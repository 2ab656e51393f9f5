#include "weights/safetensors_header.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/fail.h"
#include "core/json.h"
#include "core/quote.h"
#include "weights/file_weights.h"
#include "weights/json_bytes.h"

namespace impasto {
namespace {

using nlohmann::json;

constexpr StoredType kStoredTypes[] = {{"F32", 32, DType::float32},
                                       {"F16", 16, DType::float16},
                                       {"BF16", 16, DType::bfloat16},
                                       {"F64", 64, DType::float64},
                                       {"I64", 64, DType::int64},
                                       {"I32", 32, DType::int32},
                                       {"U8", 8, DType::uint8},
                                       {"BOOL", 8, {}},
                                       {"I8", 8, {}},
                                       {"I16", 16, {}},
                                       {"U16", 16, {}},
                                       {"U32", 32, {}},
                                       {"U64", 64, {}},
                                       {"C64", 64, {}},
                                       {"F8_E5M2", 8, {}},
                                       {"F8_E4M3", 8, {}},
                                       {"F8_E8M0", 8, {}},
                                       {"F8_E4M3FNUZ", 8, {}},
                                       {"F8_E5M2FNUZ", 8, {}},
                                       {"F6_E2M3", 6, {}},
                                       {"F6_E3M2", 6, {}},
                                       {"F4", 4, {}}};

constexpr int kMaxUnknownDepth = 32;
constexpr std::size_t kMaxUnknownValues = 100'000;

// Reads the header as it is parsed, without a tree in between: a tensor costs a record and nothing else, and what there can be of anything is
// bounded before it is kept.
class HeaderParser : public nlohmann::json_sax<json> {
 public:
  HeaderParser(const std::string& where, std::map<std::string, std::string>* metadata) : where_(where), kept_metadata_(metadata) {}

  std::vector<StoredTensor> take() { return std::move(tensors_); }

  bool null() override { return state_ == State::metadata ? go(State::names) : scalar("null"); }
  bool boolean(bool) override { return scalar("true or false"); }
  bool number_integer(number_integer_t) override { return scalar("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return scalar("a fraction"); }
  bool binary(binary_t&) override { return false; }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::shape) return add_dimension(value);
    if (state_ == State::offsets) return add_offset(value);
    return scalar("a number");
  }

  bool string(string_t& text) override {
    if (state_ == State::metadata_value) return keep_metadata(text);
    if (state_ != State::dtype) return scalar("a string");
    for (const StoredType& type : kStoredTypes)
      if (text == type.name) return tensor().type = &type, go(State::fields);
    fail_tensor("unknown dtype ", in_quotes(text));
  }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::start: return go(State::names);
      case State::record: return go(State::fields);
      case State::metadata: return go(State::metadata_keys);
      default: return deeper("an object");
    }
  }

  bool end_object() override {
    if (state_ == State::unknown) return shallower();
    if (state_ == State::fields) return end_record();
    return go(state_ == State::metadata_keys ? State::names : State::done);
  }

  bool start_array(std::size_t) override {
    if (state_ == State::shape_array) return go(State::shape);
    if (state_ == State::offsets_array) return go(State::offsets);
    return deeper("an array");
  }

  bool end_array() override {
    if (state_ == State::unknown) return shallower();
    if (state_ == State::offsets && offsets_ != 2) fail_tensor("data_offsets holds ", offsets_, " numbers, expected 2");
    return go(State::fields);
  }

  bool key(string_t& name) override {
    if (state_ == State::names) return name == "__metadata__" ? begin_metadata() : begin_tensor(name);
    if (state_ == State::fields) return begin_field(name);
    if (state_ == State::metadata_keys) {
      if (metadata_.size() == kMaxMetadataEntries)
        fail(ErrorKind::bad_file, where_, ": __metadata__ has more than ", kMaxMetadataEntries, " entries");
      count_text(name);
      if (!metadata_.insert(key_ = name).second) fail(ErrorKind::bad_file, where_, ": the key ", in_quotes(name), " stands twice in __metadata__");
      return go(State::metadata_value);
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorKind::bad_file, where_, ": header is not valid JSON at byte ", position, ": ", json_reason(error));
  }

 private:
  // What the next token belongs to.
  enum class State {
    start,
    names,   // inside the outer object
    record,  // a tensor's value
    fields,  // inside it
    dtype,
    shape_array,
    shape,
    offsets_array,
    offsets,
    unknown,  // a field that we do not know, skipped
    metadata,
    metadata_keys,
    metadata_value,
    done
  };
  enum Field { kDtype = 1, kShape = 2, kOffsets = 4 };

  bool go(State state) {
    state_ = state;
    return true;
  }

  StoredTensor& tensor() { return tensors_.back(); }

  template <typename... Parts>
  [[noreturn]] void fail_tensor(const Parts&... parts) {
    fail(ErrorKind::bad_file, where_, ": tensor ", in_quotes(tensor().name), ": ", parts...);
  }

  [[noreturn]] void unexpected(const char* found) {
    switch (state_) {
      case State::record: fail_tensor("expected an object, found ", found);
      case State::dtype: fail_tensor("dtype: expected a string, found ", found);
      case State::shape_array: fail_tensor("shape: expected an array, found ", found);
      case State::shape: fail_tensor("shape: expected integers of 0 or more, found ", found);
      case State::offsets_array: fail_tensor("data_offsets: expected an array, found ", found);
      case State::offsets: fail_tensor("data_offsets: expected integers of 0 or more, found ", found);
      case State::metadata:
      case State::metadata_value: fail(ErrorKind::bad_file, where_, ": __metadata__: expected an object of strings, found ", found);
      default: fail(ErrorKind::bad_file, where_, ": header: expected a JSON object, found ", found);
    }
  }

  bool scalar(const char* found) {
    if (state_ != State::unknown) unexpected(found);
    count_unknown();
    return unknown_depth_ > 0 ? true : go(State::fields);
  }

  bool deeper(const char* found) {
    if (state_ != State::unknown) unexpected(found);
    count_unknown();
    if (++unknown_depth_ > kMaxUnknownDepth) fail_tensor("JSON nested deeper than ", kMaxUnknownDepth, " levels");
    return true;
  }

  void count_unknown() {
    if (++unknown_values_ > kMaxUnknownValues) fail_tensor("more than ", kMaxUnknownValues, " values stand in fields that are no tensor's");
  }

  // Names, keys and texts that are kept.
  void count_text(std::string_view text) {
    if ((text_bytes_ += text.size()) > kMaxTextBytes)
      fail(ErrorKind::bad_file, where_, ": the names and texts of the header take more than ", kMaxTextBytes, " bytes");
  }

  bool shallower() { return --unknown_depth_ > 0 ? true : go(State::fields); }

  bool begin_metadata() {
    if (std::exchange(has_metadata_, true)) fail(ErrorKind::bad_file, where_, ": the key \"__metadata__\" stands twice in the header");
    return go(State::metadata);
  }

  bool keep_metadata(string_t& text) {
    if (kept_metadata_ != nullptr && is_kept_metadata(where_, key_, text.size())) {
      count_text(text);
      kept_metadata_->emplace(key_, text);
    }
    return go(State::metadata_keys);
  }

  bool begin_tensor(string_t& name) {
    if (tensors_.size() == kMaxTensors) fail(ErrorKind::bad_file, where_, ": header lists more than ", kMaxTensors, " tensors");
    count_text(name);
    tensors_.emplace_back().name = name;  // a copy: the parser's own string has room for its longest
    seen_ = 0;
    return go(State::record);
  }

  bool begin_field(const string_t& name) {
    if (name == "dtype") return begin_once(kDtype, "dtype", State::dtype);
    if (name == "shape") return begin_once(kShape, "shape", State::shape_array);
    if (name == "data_offsets") return begin_once(kOffsets, "data_offsets", State::offsets_array);
    return go(State::unknown);
  }

  bool begin_once(Field field, const char* name, State state) {
    if ((seen_ & field) != 0) fail_tensor("the field ", name, " stands twice");
    seen_ |= field;
    if (field == kShape) elements_ = 1;
    if (field == kOffsets) offsets_ = 0;
    return go(state);
  }

  bool add_dimension(std::uint64_t value) {
    StoredTensor& t = tensor();
    if (value > static_cast<std::uint64_t>(INT64_MAX) || __builtin_mul_overflow(elements_, value, &elements_))
      fail_tensor("its shape does not fit in 64 bits");
    if (t.rank == kMaxStoredRank) fail_tensor("has more than ", kMaxStoredRank, " dimensions");
    if (++t.rank <= Shape::kMaxRank) dims_[t.rank - 1] = static_cast<std::int64_t>(value);
    return true;
  }

  bool add_offset(std::uint64_t value) {
    if (offsets_ == 2) fail_tensor("data_offsets holds more than 2 numbers");
    (offsets_ == 0 ? tensor().begin : tensor().end) = value;
    ++offsets_;
    return true;
  }

  bool end_record() {
    if (seen_ != (kDtype | kShape | kOffsets))
      fail_tensor("has no ", (seen_ & kDtype) == 0 ? "dtype" : (seen_ & kShape) == 0 ? "shape" : "data_offsets");
    StoredTensor& t = tensor();
    t.shape = Shape(std::vector<std::int64_t>(dims_, dims_ + std::min(t.rank, Shape::kMaxRank)));
    check_size(t);
    return go(State::names);
  }

  void check_size(const StoredTensor& t) {
    std::uint64_t bits;
    if (__builtin_mul_overflow(elements_, static_cast<std::uint64_t>(t.type->bits), &bits)) fail_tensor("its size does not fit in 64 bits");
    if (bits % 8 != 0) fail_tensor(elements_, " elements of ", t.type->name, " do not fill whole bytes");
    if (t.end < t.begin || t.end - t.begin != bits / 8)
      fail_tensor("data_offsets [", t.begin, ", ", t.end, "] span another size than ", elements_, " elements of ", t.type->name, ", which take ",
                  bits / 8, " bytes");
  }

  const std::string& where_;
  State state_ = State::start;
  std::vector<StoredTensor> tensors_;
  // The record being read.
  int seen_ = 0;
  std::uint64_t elements_ = 1;
  std::int64_t dims_[Shape::kMaxRank] = {};
  std::size_t offsets_ = 0;
  int unknown_depth_ = 0;
  std::size_t unknown_values_ = 0, text_bytes_ = 0;
  bool has_metadata_ = false;
  std::unordered_set<std::string> metadata_;
  std::string key_;  // of the metadata being read
  std::map<std::string, std::string>* kept_metadata_;
};

// Each tensor begins where the one before ends: no holes, no overlap, no byte left over.
void check_cover(const std::vector<StoredTensor>& tensors, std::uint64_t data_bytes, const std::string& where) {
  std::vector<const StoredTensor*> order;
  order.reserve(tensors.size());
  for (const StoredTensor& t : tensors) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  std::uint64_t covered = 0;
  for (const StoredTensor* t : order) {
    if (t->begin != covered)
      fail(ErrorKind::bad_file, where, ": tensor ", in_quotes(t->name), ": data_offsets begin at byte ", t->begin, ", expected ", covered,
           ": tensors must follow each other without ", t->begin < covered ? "overlap" : "holes");
    covered = t->end;
  }
  if (covered > data_bytes)
    fail(ErrorKind::bad_file, where, ": the tensors take ", covered, " bytes, but only ", data_bytes,
         " follow the header: truncated? Get the file again");
  if (covered < data_bytes) fail(ErrorKind::bad_file, where, ": ", data_bytes - covered, " bytes follow the last tensor, expected none");
}

}  // namespace

std::vector<StoredTensor> parse_safetensors_header(const ByteSource& source, std::uint64_t begin, std::uint64_t end, std::uint64_t data_bytes,
                                                   std::map<std::string, std::string>* metadata) {
  const std::string& where = source.where();
  JsonBytes text(source, begin, end);
  // The JSON parser would skip a byte order mark.
  if (text.begin() != text.end() && *text.begin() == '\xEF') fail(ErrorKind::bad_file, where, ": header is not valid JSON at byte 1");
  HeaderParser parser(where, metadata);
  json::sax_parse(text.begin(), text.end(), &parser);
  std::vector<StoredTensor> tensors = parser.take();
  check_cover(tensors, data_bytes, where);
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != tensors.end()) fail(ErrorKind::bad_file, where, ": the tensor ", in_quotes(twice->name), " stands twice in the header");
  return tensors;
}

std::vector<StoredTensor> parse_safetensors_header(std::string_view json_text, std::uint64_t data_bytes, const std::string& where) {
  return parse_safetensors_header(MemoryBytes(json_text, where), 0, json_text.size(), data_bytes, nullptr);
}

}  // namespace impasto
