// A file's tensors under other names, some of them cut out of larger ones.
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
    if (info) info->shape = part_of(info->shape, entry->second);
    return info;
  }

  TensorView find(std::string_view name) const override {
    const auto entry = names_.find(name);
    if (entry == names_.end()) return {};
    const TensorView whole = file_->find(entry->second.name);
    if (!whole) return {};
    const Shape shape = part_of(whole.shape, entry->second);
    const std::int64_t begin = shape.count() * entry->second.part;  // in elements
    return {whole.as<std::byte>() + static_cast<std::size_t>(begin) * size_of(whole.dtype), whole.dtype, shape};
  }

  void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const override {
    const auto entry = names_.find(name);
    const std::optional<TensorInfo> info = describe(name);
    if (!info) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
    file_->read_range(entry->second.name, info->bytes() * static_cast<std::uint64_t>(entry->second.part) + begin, count, out);
  }

  bool is_contiguous(std::string_view name) const override {
    const auto entry = names_.find(name);
    return entry != names_.end() && file_->is_contiguous(entry->second.name);
  }

 private:
  Shape part_of(Shape shape, const SourceTensor& source) const {
    if (source.parts == 1) return shape;
    if (shape.rank() == 0 || shape[0] % source.parts != 0)
      fail(ErrorKind::bad_file, where(), ": tensor ", in_quotes(source.name), " has shape ", shape.to_string(), ", expected ", source.parts,
           " parts of equal size, one after the other");
    shape[0] /= source.parts;
    return shape;
  }

  std::shared_ptr<const WeightReader> file_;
  NameMap names_;
};

}  // namespace

std::shared_ptr<const WeightReader> renamed_weights(std::shared_ptr<const WeightReader> file, NameMap names) {
  return std::make_shared<RenamedWeights>(std::move(file), std::move(names));
}

}  // namespace impasto
