#include "weights/file_weights.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

#include <sys/mman.h>

#include "core/fail.h"
#include "core/quote.h"
#include "core/utf8.h"

namespace impasto {
namespace {

class Mapping {
 public:
  explicit Mapping(const File& file) : bytes_(static_cast<std::size_t>(file.size())) {
    address_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    if (address_ != MAP_FAILED) return;
    const int code = errno;
    fail(code == ENOMEM ? ErrorKind::out_of_memory : ErrorKind::io, file.path(), ": cannot map ", bytes_,
         " bytes: ", std::generic_category().message(code));
  }
  ~Mapping() { ::munmap(address_, bytes_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* at(std::uint64_t offset) const { return static_cast<std::byte*>(address_) + offset; }
  // The pages are clean copies of the file's: they come back from it when touched.
  void release() const { ::madvise(address_, bytes_, MADV_DONTNEED); }

 private:
  std::size_t bytes_;
  void* address_;
};

/// Elements of `size` bytes with strides into rows side by side.
void gather(const FileTensor& t, std::size_t size, const std::byte* from, std::byte* to) {
  std::vector<std::int64_t> at(t.strides.size(), 0);
  std::int64_t offset = 0;
  for (std::int64_t left = t.shape.count(); left > 0; --left, to += size) {
    std::memcpy(to, from + static_cast<std::size_t>(offset) * size, size);
    for (std::size_t i = at.size(); i-- > 0;) {
      offset += t.strides[i];
      if (++at[i] < t.shape[static_cast<int>(i)]) break;
      offset -= at[i] * t.strides[i];
      at[i] = 0;
    }
  }
}

/// Float16 elements [begin, begin + count) of packed ones. Few blocks at a time, so that they stay in the cache.
void unpack(const File& file, const FileTensor& t, std::uint64_t begin, std::size_t count, std::uint16_t* out) {
  constexpr std::size_t kBlocks = 512;
  const BlockFormat& format = *t.blocks;
  std::vector<std::uint8_t> packed(kBlocks * format.bytes);
  std::vector<float> elements(format.elements);
  const std::uint64_t end = begin + count;
  for (std::uint64_t block = begin / format.elements; block * format.elements < end; block += kBlocks) {
    const std::uint64_t blocks = std::min<std::uint64_t>(kBlocks, (end + format.elements - 1) / format.elements - block);
    file.read(packed.data(), static_cast<std::size_t>(blocks) * format.bytes, t.begin + block * format.bytes);
    for (std::uint64_t b = 0; b < blocks; ++b) {
      const std::uint64_t first = (block + b) * format.elements;
      format.decode(packed.data() + b * format.bytes, elements.data());
      for (std::uint64_t i = std::max(first, begin); i < std::min(first + format.elements, end); ++i)
        out[i - begin] = float32_to_float16(elements[static_cast<std::size_t>(i - first)]);
    }
  }
}

class FileWeights final : public WeightReader {
 public:
  FileWeights(std::unique_ptr<const File> file, FileContent content) : file_(std::move(file)), content_(std::move(content)) {
    std::sort(content_.tensors.begin(), content_.tensors.end(), [](const FileTensor& a, const FileTensor& b) { return a.name < b.name; });
  }

  std::string where() const override { return file_->path(); }
  std::string format() const override { return content_.format; }
  const std::map<std::string, std::string>& metadata() const override { return content_.metadata; }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    all.reserve(content_.tensors.size());
    for (const FileTensor& t : content_.tensors) all.push_back(t.name);
    return all;
  }

  std::optional<TensorInfo> describe(std::string_view name) const override {
    const FileTensor* t = look_up(name);
    if (t == nullptr) return std::nullopt;
    check_supported(*t);
    return TensorInfo{*t->dtype, t->shape};
  }

  TensorView find(std::string_view name) const override {
    const FileTensor* t = look_up(name);
    if (t == nullptr) return {};
    check_supported(*t);
    check_unchanged();
    const bool in_place = t->blocks == nullptr && t->strides.empty() && t->begin % size_of(*t->dtype) == 0;
    return {in_place ? map().at(t->begin) : copy_of(*t), *t->dtype, t->shape};
  }

  void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const override {
    const FileTensor* t = look_up(name);
    if (t == nullptr) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
    check_supported(*t);
    const std::uint64_t bytes = TensorInfo{*t->dtype, t->shape}.bytes();
    IMPASTO_CHECK(begin <= bytes && count <= bytes - begin);
    if (t->blocks != nullptr) {
      IMPASTO_CHECK(begin % 2 == 0 && count % 2 == 0);
      unpack(*file_, *t, begin / 2, count / 2, static_cast<std::uint16_t*>(out));
    } else if (t->strides.empty()) {
      file_->read(out, count, t->begin + begin);
    } else {
      std::vector<std::byte> whole(static_cast<std::size_t>(bytes));
      read_gathered(*t, whole.data());
      std::memcpy(out, whole.data() + begin, count);
    }
    check_unchanged();
  }

  bool is_contiguous(std::string_view name) const override {
    const FileTensor* t = look_up(name);
    return t != nullptr && t->strides.empty();
  }

  void check_unchanged() const override {
    if (file_->changed()) fail(ErrorKind::bad_file, where(), ": was changed by another program while it was being read: load the model again");
  }

  void release_pages() const override {
    const std::lock_guard lock(mutex_);
    if (map_) map_->release();
  }

 private:
  const Mapping& map() const {
    const std::lock_guard lock(mutex_);
    if (!map_) map_.emplace(*file_);
    return *map_;
  }

  const FileTensor* look_up(std::string_view name) const {
    const auto& all = content_.tensors;
    const auto place = std::lower_bound(all.begin(), all.end(), name, [](const FileTensor& t, std::string_view n) { return t.name < n; });
    return place != all.end() && place->name == name ? &*place : nullptr;
  }

  void check_supported(const FileTensor& t) const {
    if (!t.dtype)
      fail(ErrorKind::unsupported, where(), ": tensor ", in_quotes(t.name), " has dtype ", t.type, ", expected ", content_.supported_types);
    if (t.rank > Shape::kMaxRank)
      fail(ErrorKind::unsupported, where(), ": tensor ", in_quotes(t.name), " has ", t.rank, " dimensions, expected at most ", Shape::kMaxRank);
  }

  void read_gathered(const FileTensor& t, std::byte* out) const {
    std::vector<std::byte> stored(static_cast<std::size_t>(t.end - t.begin));
    file_->read(stored.data(), stored.size(), t.begin);
    gather(t, size_of(*t.dtype), stored.data(), out);
  }

  // Some writers do not pad the header, and a tensor of bytes may precede one of floats: such a tensor is copied, once, as are those that are packed.
  std::byte* copy_of(const FileTensor& t) const {
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<std::byte[]>& copy = copies_[&t];
    if (copy == nullptr) {
      auto bytes = std::make_unique_for_overwrite<std::byte[]>(TensorInfo{*t.dtype, t.shape}.bytes());
      if (t.blocks != nullptr)
        unpack(*file_, t, 0, static_cast<std::size_t>(t.shape.count()), reinterpret_cast<std::uint16_t*>(bytes.get()));
      else if (t.strides.empty())
        file_->read(bytes.get(), static_cast<std::size_t>(t.end - t.begin), t.begin);
      else
        read_gathered(t, bytes.get());
      copy = std::move(bytes);
    }
    return copy.get();
  }

  std::unique_ptr<const File> file_;
  FileContent content_;  // tensors sorted by name
  mutable std::mutex mutex_;
  mutable std::optional<Mapping> map_;
  mutable std::map<const FileTensor*, std::unique_ptr<std::byte[]>> copies_;
};

}  // namespace

bool is_kept_metadata(const std::string& where, std::string_view key, std::uint64_t bytes) {
  constexpr std::uint64_t kLongest = 64 << 10;
  if (bytes > kLongest && key.starts_with("impasto."))
    fail(ErrorKind::bad_file, where, ": metadata ", printable(key), " has ", bytes, " bytes, expected at most ", kLongest);
  return bytes <= kLongest;
}

std::shared_ptr<const WeightReader> file_weights(std::unique_ptr<const File> file, FileContent content) {
  for (const FileTensor& t : content.tensors)
    if (!is_utf8(t.name)) fail(ErrorKind::bad_file, file->path(), ": the tensor name ", in_quotes(t.name), " is not UTF-8");
  std::erase_if(content.metadata, [](const auto& field) { return !is_utf8(field.first) || !is_utf8(field.second); });
  return std::make_shared<FileWeights>(std::move(file), std::move(content));
}

}  // namespace impasto
