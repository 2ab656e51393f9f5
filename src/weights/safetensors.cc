// https://huggingface.co/docs/safetensors: 8 bytes of header length (little-endian), the header, then the tensors' bytes.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>

#include <sys/mman.h>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "weights/reader.h"
#include "weights/safetensors_header.h"

namespace impasto {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors stores little-endian numbers; this code uses them in place");

constexpr std::uint64_t kLengthBytes = 8;

std::string read_header(const File& file) {
  if (file.size() < kLengthBytes)
    fail(ErrorKind::bad_file, file.path(), ": has ", file.size(), " bytes, too few for a safetensors file: truncated? Get the file again");
  std::uint64_t length = 0;
  file.read(&length, kLengthBytes, 0);
  if (length > kMaxHeaderBytes)
    fail(ErrorKind::bad_file, file.path(), ": the header would take ", length, " bytes, expected at most ", kMaxHeaderBytes,
         ": not a safetensors file?");
  if (length > file.size() - kLengthBytes)
    fail(ErrorKind::bad_file, file.path(), ": has ", file.size(), " bytes, but the header alone takes ", length, ": truncated? Get the file again");
  std::string header(static_cast<std::size_t>(length), '\0');
  file.read(header.data(), header.size(), kLengthBytes);
  return header;
}

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

class SafetensorsReader : public WeightReader {
 public:
  explicit SafetensorsReader(const std::string& path) : file_(path) {
    const std::string header = read_header(file_);
    data_begin_ = kLengthBytes + header.size();
    tensors_ = parse_safetensors_header(header, file_.size() - data_begin_, path, &metadata_);
  }

  std::string where() const override { return file_.path(); }
  std::string format() const override { return "safetensors"; }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    all.reserve(tensors_.size());
    for (const StoredTensor& t : tensors_) all.push_back(t.name);
    return all;
  }

  std::optional<TensorInfo> describe(std::string_view name) const override {
    const StoredTensor* t = look_up(name);
    if (t == nullptr) return std::nullopt;
    check_supported(*t);
    return TensorInfo{*t->type->dtype, t->shape};
  }

  TensorView find(std::string_view name) const override {
    const StoredTensor* t = look_up(name);
    if (t == nullptr) return {};
    check_supported(*t);
    check_unchanged();
    const std::uint64_t offset = data_begin_ + t->begin;
    return {offset % size_of(*t->type->dtype) == 0 ? map().at(offset) : aligned_copy(*t), *t->type->dtype, t->shape};
  }

  void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const override {
    const StoredTensor* t = look_up(name);
    if (t == nullptr) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
    IMPASTO_CHECK(begin <= t->end - t->begin && count <= t->end - t->begin - begin);
    file_.read(out, count, data_begin_ + t->begin + begin);
    check_unchanged();
  }

  const std::map<std::string, std::string>& metadata() const override { return metadata_; }

  void check_unchanged() const override {
    if (file_.changed()) fail(ErrorKind::bad_file, where(), ": was changed by another program while it was being read: load the model again");
  }

  void release_pages() const override {
    const std::lock_guard lock(mutex_);
    if (map_) map_->release();
  }

 private:
  const Mapping& map() const {
    const std::lock_guard lock(mutex_);
    if (!map_) map_.emplace(file_);
    return *map_;
  }

  const StoredTensor* look_up(std::string_view name) const {
    const auto place = std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const StoredTensor& t, std::string_view n) { return t.name < n; });
    return place != tensors_.end() && place->name == name ? &*place : nullptr;
  }

  void check_supported(const StoredTensor& t) const {
    if (!t.type->dtype)
      fail(ErrorKind::unsupported, where(), ": tensor ", in_quotes(t.name), " has dtype ", t.type->name,
           ", expected F32, F16, BF16, F64, I64, I32 or U8");
    if (t.rank > Shape::kMaxRank)
      fail(ErrorKind::unsupported, where(), ": tensor ", in_quotes(t.name), " has ", t.rank, " dimensions, expected at most ", Shape::kMaxRank);
  }

  // Some writers do not pad the header, and a tensor of bytes may precede one of floats: such a tensor is copied, once.
  std::byte* aligned_copy(const StoredTensor& t) const {
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<std::byte[]>& copy = copies_[&t];
    if (copy == nullptr) {
      auto bytes = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(t.end - t.begin));
      file_.read(bytes.get(), static_cast<std::size_t>(t.end - t.begin), data_begin_ + t.begin);
      copy = std::move(bytes);
    }
    return copy.get();
  }

  File file_;
  std::uint64_t data_begin_ = 0;
  std::vector<StoredTensor> tensors_;  // sorted by name
  std::map<std::string, std::string> metadata_;
  mutable std::mutex mutex_;
  mutable std::optional<Mapping> map_;
  mutable std::map<const StoredTensor*, std::unique_ptr<std::byte[]>> copies_;
};

}  // namespace

std::shared_ptr<const WeightReader> open_safetensors(const std::string& path) { return std::make_shared<SafetensorsReader>(path); }

}  // namespace impasto
