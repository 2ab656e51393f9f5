// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: counts, key-value pairs, tensors' names, dimensions, types and offsets; then their
// bytes.
#include "weights/gguf.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "core/quote.h"
#include "weights/block_format.h"
#include "weights/reader.h"

namespace impasto {
namespace {

constexpr std::uint64_t kMostHeaderBytes = 100'000'000, kMostTensors = 100'000, kMostPairs = 100'000, kLongestKey = 65'535, kMostDims = 4;
constexpr std::uint64_t kMostTextBytes = 8 << 20;  // of names, keys and texts that are kept, together
constexpr int kMostArrayDepth = 4;

/// A value's type.
enum Value : std::uint32_t { kUint8, kInt8, kUint16, kInt16, kUint32, kInt32, kFloat32, kBool, kText, kArray, kUint64, kInt64, kFloat64, kValues };
constexpr std::uint64_t kValueBytes[kValues] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// A type of tensors that is no block format.
struct PlainType {
  std::uint32_t type;
  const char* name;
  std::uint64_t bytes;
  std::optional<DType> dtype;
};
constexpr PlainType kPlainTypes[] = {{0, "F32", 4, DType::float32},
                                     {1, "F16", 2, DType::float16},
                                     {30, "BF16", 2, DType::bfloat16},
                                     {28, "F64", 8, DType::float64},
                                     {24, "I8", 1, {}},
                                     {25, "I16", 2, {}},
                                     {26, "I32", 4, DType::int32},
                                     {27, "I64", 8, DType::int64}};

/// The header, read front to back through a small buffer.
class Header {
 public:
  explicit Header(const ByteSource& source) : source_(source) {}

  std::uint64_t position() const { return begin_ + at_; }
  std::uint64_t left() const { return source_.size() - position(); }

  template <typename T>
  T take() {
    T value;
    require(sizeof value);
    if (buffer_.size() - at_ < sizeof value) refill();
    std::memcpy(&value, buffer_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string take_name() {
    const auto length = take<std::uint64_t>();
    require(length);
    if (length > kLongestKey)
      fail(ErrorKind::bad_file, source_.where(), ": a name at byte ", position(), " has ", length, " bytes, expected at most ", kLongestKey);
    return take_text(length);
  }

  std::string take_text(std::uint64_t length) {
    require(length);
    if ((text_bytes_ += length) > kMostTextBytes)
      fail(ErrorKind::bad_file, source_.where(), ": the names and texts of its header take more than ", kMostTextBytes, " bytes");
    if (buffer_.size() - at_ < length) refill();
    std::string text = length <= buffer_.size() - at_ ? buffer_.substr(at_, static_cast<std::size_t>(length))
                                                      : source_.read(position(), static_cast<std::size_t>(length));
    skip(length);
    return text;
  }

  void skip(std::uint64_t bytes) {
    require(bytes);
    if (bytes <= buffer_.size() - at_) {
      at_ += static_cast<std::size_t>(bytes);
      return;
    }
    begin_ = position() + bytes;
    at_ = 0;
    buffer_.clear();
  }

 private:
  void require(std::uint64_t bytes) const {
    if (bytes > left() || position() + bytes > kMostHeaderBytes)
      fail(ErrorKind::bad_file, source_.where(), ": its header needs ", bytes, " bytes from byte ", position(), " on, but the file has ",
           source_.size(), bytes > left() ? ": truncated?" : ", and a header takes no more than 100 MB");
  }

  void refill() {
    constexpr std::uint64_t kBuffer = 64 << 10;
    begin_ += at_;
    at_ = 0;
    buffer_ = source_.read(begin_, static_cast<std::size_t>(std::min(kBuffer, source_.size() - begin_)));
  }

  const ByteSource& source_;
  std::uint64_t begin_ = 0;  // of the buffer, in the file
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t text_bytes_ = 0;
};

struct TensorRecord {
  FileTensor tensor;
  std::uint64_t offset = 0, bytes = 0;
};

class GgufReader {
 public:
  explicit GgufReader(const ByteSource& source) : source_(source), where_(source.where()), header_(source) {}

  FileContent read() {
    read_counts();
    content_.format = "GGUF";
    content_.supported_types = "F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_0, Q4_1 or Q2_K to Q6_K";
    for (std::uint64_t i = 0; i < pairs_; ++i) read_pair();
    for (std::uint64_t i = 0; i < count_; ++i) records_.push_back(read_tensor());
    place();
    return std::move(content_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorKind::bad_file, where_, ": ", parts...);
  }

  void read_counts() {
    if (header_.take<std::uint32_t>() != 0x46554747) bad("does not begin as a GGUF file");
    const auto version = header_.take<std::uint32_t>();
    if ((version & 0xFFFF) == 0 && version != 0)
      fail(ErrorKind::unsupported, where_, ": is a big-endian GGUF file; only little-endian ones are supported");
    if (version != 2 && version != 3) fail(ErrorKind::unsupported, where_, ": is a GGUF file of version ", version, "; supported are 2 and 3");
    count_ = header_.take<std::uint64_t>();
    pairs_ = header_.take<std::uint64_t>();
    // The least that one takes: a name's length, the number of dimensions, one of them, type, offset; a key's length, type, a byte.
    if (count_ > kMostTensors || pairs_ > kMostPairs)
      bad("claims ", count_, " tensors and ", pairs_, " pairs of key and value, expected at most ", kMostTensors, " of each");
    if (count_ > header_.left() / 32 || pairs_ > header_.left() / 13)
      bad("claims ", count_, " tensors and ", pairs_, " pairs of key and value, more than fit into its ", source_.size(), " bytes");
  }

  void read_pair() {
    const std::string key = header_.take_name();
    if (!keys_.insert(key).second) bad("the key ", in_quotes(key), " stands twice");
    const auto type = header_.take<std::uint32_t>();
    if (key == "general.alignment") {
      if (type != kUint32) bad("general.alignment has type ", type, ", expected ", +kUint32);
      alignment_ = header_.take<std::uint32_t>();
      if (alignment_ == 0 || (alignment_ & (alignment_ - 1)) != 0) bad("general.alignment is ", alignment_, ", expected a power of two");
    } else if (type == kText) {
      const auto length = header_.take<std::uint64_t>();
      is_kept_metadata(where_, key, length) ? static_cast<void>(content_.metadata.emplace(key, header_.take_text(length))) : header_.skip(length);
    } else if (type == kArray) {
      read_array(key, 1);
    } else if (type == kBool) {
      if (const int value = header_.take<std::uint8_t>(); value > 1) bad("the bool ", in_quotes(key), " is ", value, ", expected 0 or 1");
    } else {
      header_.skip(value_bytes(type, key));
    }
  }

  std::uint64_t value_bytes(std::uint32_t type, const std::string& key) const {
    if (type >= kValues || kValueBytes[type] == 0) bad("the value of ", in_quotes(key), " has type ", type, ", which does not exist");
    return kValueBytes[type];
  }

  /// ComfyUI's converter stores convolutions as matrices, and their shape so.
  static constexpr std::string_view kOriginalShape = "comfy.gguf.orig_shape.";

  void read_array(const std::string& key, int depth) {
    if (depth > kMostArrayDepth) bad("the array ", in_quotes(key), " is nested deeper than ", kMostArrayDepth, " levels");
    const auto type = header_.take<std::uint32_t>();
    const auto length = header_.take<std::uint64_t>();
    if (key.starts_with(kOriginalShape) && type == kInt32 && length >= 1 && length <= Shape::kMaxRank) {
      std::vector<std::int64_t> dims;
      for (std::uint64_t i = 0; i < length; ++i) dims.push_back(header_.take<std::int32_t>());
      shapes_[key.substr(kOriginalShape.size())] = dims;
    } else if (type == kText || type == kArray) {
      if (length > header_.left() / 8) bad("the array ", in_quotes(key), " claims ", length, " entries, more than the file can hold");
      for (std::uint64_t i = 0; i < length; ++i)
        type == kText ? static_cast<void>(header_.skip(header_.take<std::uint64_t>())) : read_array(key, depth + 1);
    } else {
      std::uint64_t bytes = 0;
      if (__builtin_mul_overflow(length, value_bytes(type, key), &bytes)) bad("the array ", in_quotes(key), " claims ", length, " entries");
      header_.skip(bytes);
    }
  }

  TensorRecord read_tensor() {
    TensorRecord r;
    FileTensor& t = r.tensor;
    t.name = header_.take_name();
    const auto rank = header_.take<std::uint32_t>();
    if (rank == 0 || rank > kMostDims) bad("tensor ", in_quotes(t.name), " has ", rank, " dimensions, expected 1 to ", kMostDims);
    std::vector<std::int64_t> dims;  // the innermost first
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto dim = header_.take<std::uint64_t>();
      if (dim == 0 || dim > INT64_MAX || __builtin_mul_overflow(elements, dim, &elements) || elements > INT64_MAX / 16)
        bad("tensor ", in_quotes(t.name), " has a dimension of ", dim, ", or more elements than a file can hold");
      dims.push_back(static_cast<std::int64_t>(dim));
    }
    const auto type = header_.take<std::uint32_t>();
    r.offset = header_.take<std::uint64_t>();
    r.bytes = set_type(t, type, elements, static_cast<std::uint64_t>(dims[0]));
    std::reverse(dims.begin(), dims.end());
    if (const auto original = shapes_.find(t.name); original != shapes_.end()) dims = original_shape(t.name, original->second, elements);
    t.rank = static_cast<int>(dims.size());
    t.shape = Shape(dims);
    return r;
  }

  std::vector<std::int64_t> original_shape(const std::string& name, const std::vector<std::int64_t>& dims, std::uint64_t elements) const {
    std::uint64_t count = 1;
    bool fits = true;
    for (const std::int64_t d : dims) fits = fits && d > 0 && !__builtin_mul_overflow(count, static_cast<std::uint64_t>(d), &count);
    if (!fits || count != elements) bad("tensor ", in_quotes(name), " has ", elements, " elements, but its original shape another number");
    return dims;
  }

  /// The bytes that it takes; of a type that is not known, nothing is known.
  std::uint64_t set_type(FileTensor& t, std::uint32_t type, std::uint64_t elements, std::uint64_t row) const {
    for (const PlainType& plain : kPlainTypes)
      if (plain.type == type) {
        t.type = plain.name, t.dtype = plain.dtype;
        return elements * plain.bytes;
      }
    t.blocks = block_format(type);
    if (t.blocks == nullptr) {
      t.type = concat("number ", type);
      return 0;
    }
    if (row % t.blocks->elements != 0)
      bad("tensor ", in_quotes(t.name), " has rows of ", row, " elements, but ", t.blocks->name, " has blocks of ", t.blocks->elements);
    t.type = t.blocks->name, t.dtype = DType::float16;
    return elements / t.blocks->elements * t.blocks->bytes;
  }

  /// The data begin after the header, aligned; every tensor's place is checked, and that no two overlap.
  void place() {
    std::uint64_t data = header_.position();
    data += (alignment_ - data % alignment_) % alignment_;
    if (count_ > 0 && data > source_.size()) bad("ends before its tensors begin: truncated?");
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (TensorRecord& r : records_) {
      FileTensor& t = r.tensor;
      if (r.offset % alignment_ != 0) bad("tensor ", in_quotes(t.name), " begins at byte ", r.offset, ", which is no multiple of ", alignment_);
      if (r.offset > source_.size() - data || r.bytes > source_.size() - data - r.offset)
        bad("tensor ", in_quotes(t.name), " takes ", r.bytes, " bytes from byte ", r.offset, " on, beyond the end of the file: truncated?");
      t.begin = data + r.offset, t.end = t.begin + r.bytes;
      if (r.bytes > 0) ranges.emplace_back(t.begin, t.end);
      content_.tensors.push_back(std::move(t));
    }
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second) bad("two of its tensors overlap at byte ", ranges[i].first);
    check_names();
  }

  void check_names() const {
    std::vector<std::string_view> names;
    for (const FileTensor& t : content_.tensors) names.push_back(t.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) bad("the tensor ", in_quotes(*twice), " stands twice");
  }

  const ByteSource& source_;
  const std::string& where_;
  Header header_;
  FileContent content_;
  std::uint64_t count_ = 0, pairs_ = 0;
  std::uint32_t alignment_ = 32;
  std::set<std::string> keys_;
  std::map<std::string, std::vector<std::int64_t>, std::less<>> shapes_;
  std::vector<TensorRecord> records_;
};

}  // namespace

FileContent read_gguf(const ByteSource& source) { return GgufReader(source).read(); }

std::shared_ptr<const WeightReader> open_gguf(const std::string& path) {
  auto file = std::make_unique<const File>(path);
  FileContent content = read_gguf(FileBytes(*file));
  return file_weights(std::move(file), std::move(content));
}

}  // namespace impasto
