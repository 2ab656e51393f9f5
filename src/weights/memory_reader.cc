#include <cstring>
#include <functional>
#include <map>

#include "core/fail.h"
#include "core/quote.h"
#include "weights/reader.h"

namespace impasto {
namespace {

class MemoryReader : public WeightReader {
 public:
  MemoryReader(std::vector<std::pair<std::string, TensorView>> tensors, std::shared_ptr<void> owner)
      : tensors_(tensors.begin(), tensors.end()), owner_(std::move(owner)) {}

  std::string where() const override { return "weights in memory"; }
  std::string format() const override { return "memory"; }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, view] : tensors_) all.push_back(name);
    return all;
  }

  TensorView find(std::string_view name) const override {
    const auto place = tensors_.find(name);
    return place != tensors_.end() ? place->second : TensorView{};
  }

 private:
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::shared_ptr<void> owner_;
};

}  // namespace

std::optional<TensorInfo> WeightReader::describe(std::string_view name) const {
  const TensorView view = find(name);
  return view ? std::optional(TensorInfo{view.dtype, view.shape}) : std::nullopt;
}

void WeightReader::read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const {
  const TensorView view = find(name);
  if (!view) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
  IMPASTO_CHECK(begin <= view.bytes() && count <= view.bytes() - begin);
  std::memcpy(out, view.as<std::byte>() + begin, count);
}

void WeightReader::read(std::string_view name, void* out) const {
  const std::optional<TensorInfo> info = describe(name);
  if (!info) fail(ErrorKind::not_found, where(), ": has no tensor ", in_quotes(name));
  read_range(name, 0, info->bytes(), out);
}

const std::map<std::string, std::string>& WeightReader::metadata() const {
  static const std::map<std::string, std::string> none;
  return none;
}

std::shared_ptr<const WeightReader> in_memory_weights(std::vector<std::pair<std::string, TensorView>> tensors, std::shared_ptr<void> owner) {
  return std::make_shared<MemoryReader>(std::move(tensors), std::move(owner));
}

}  // namespace impasto
