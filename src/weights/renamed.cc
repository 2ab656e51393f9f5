// A file's tensors under other names, some of them cut out of larger ones.
#include <cstring>
#include <mutex>

#include "core/fail.h"
#include "core/quote.h"
#include "weights/reader.h"

namespace impasto {
namespace {

class RenamedWeights final : public WeightReader {
 public:
  RenamedWeights(std::shared_ptr<const WeightReader> file, NameMap names) : file_(std::move(file)), names_(std::move(names)) {}

  std::string where() const override { return file_->where(); }
  std::string format() const override { return file_->format(); }
  const std::map<std::string, std::string>& metadata() const override { return file_->metadata(); }
  void check_unchanged() const override { file_->check_unchanged(); }
  void release_pages() const override { file_->release_pages(); }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, source] : names_) all.push_back(name);
    return all;
  }

  std::optional<TensorInfo> describe(std::string_view name) const override {
    const auto entry = names_.find(name);
    if (entry == names_.end()) return std::nullopt;
    std::optional<TensorInfo> info = file_->describe(entry->second.name);
    if (info) info->shape = shape_of(info->shape, entry->second);
    return info;
  }

  TensorView find(std::string_view name) const override {
    const auto entry = names_.find(name);
    if (entry == names_.end()) return {};
    const TensorView whole = file_->find(entry->second.name);
    if (!whole) return {};
    const Shape shape = shape_of(whole.shape, entry->second);
    if (entry->second.transposed) return {transposed(entry->first, whole), whole.dtype, shape};
    const std::int64_t begin = shape.count() * entry->second.part;  // in elements
    return {whole.as<std::byte>() + static_cast<std::size_t>(begin) * size_of(whole.dtype), whole.dtype, shape};
  }

  void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const override {
    const auto entry = names_.find(name);
    const std::optional<TensorInfo> info = describe(name);
    if (!info) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
    if (entry->second.transposed) {
      std::memcpy(out, find(name).as<std::byte>() + begin, count);
      return;
    }
    file_->read_range(entry->second.name, info->bytes() * static_cast<std::uint64_t>(entry->second.part) + begin, count, out);
  }

  bool is_contiguous(std::string_view name) const override {
    const auto entry = names_.find(name);
    return entry != names_.end() && !entry->second.transposed && file_->is_contiguous(entry->second.name);
  }

 private:
  Shape shape_of(Shape shape, const SourceTensor& source) const {
    if (source.transposed) {
      if (shape.rank() != 2)
        fail(ErrorKind::bad_file, where(), ": tensor ", in_quotes(source.name), " has shape ", shape.to_string(), ", expected a matrix");
      return {shape[1], shape[0]};
    }
    if (source.parts == 1) return shape;
    if (shape.rank() == 0 || shape[0] % source.parts != 0)
      fail(ErrorKind::bad_file, where(), ": tensor ", in_quotes(source.name), " has shape ", shape.to_string(), ", expected ", source.parts,
           " parts of equal size, one after the other");
    shape[0] /= source.parts;
    return shape;
  }

  /// A copy with rows and columns exchanged, made when it is first asked for.
  std::byte* transposed(const std::string& name, const TensorView& matrix) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::byte>& copy = transposed_[name];
    if (copy.empty()) {
      const std::size_t size = size_of(matrix.dtype), rows = static_cast<std::size_t>(matrix.shape[0]),
                        columns = static_cast<std::size_t>(matrix.shape[1]);
      std::vector<std::byte> bytes(rows * columns * size);
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < columns; ++column)
          std::memcpy(&bytes[(column * rows + row) * size], matrix.as<std::byte>() + (row * columns + column) * size, size);
      copy = std::move(bytes);
    }
    return copy.data();
  }

  std::shared_ptr<const WeightReader> file_;
  NameMap names_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<std::byte>> transposed_;
};

}  // namespace

std::shared_ptr<const WeightReader> renamed_weights(std::shared_ptr<const WeightReader> file, NameMap names) {
  return std::make_shared<RenamedWeights>(std::move(file), std::move(names));
}

}  // namespace impasto
