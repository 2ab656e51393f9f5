#include "weights/make_torch.h"

#include <zlib.h>

namespace impasto::test {
namespace {

std::uint32_t checksum(const ZipPart& part) {
  if (part.crc >= 0) return static_cast<std::uint32_t>(part.crc);
  return static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(part.bytes.data()), static_cast<uInt>(part.bytes.size())));
}

std::string sizes(const ZipPart& part, std::int64_t claimed) {
  return little(static_cast<std::uint32_t>(part.bytes.size())) +
         little(static_cast<std::uint32_t>(claimed >= 0 ? claimed : static_cast<std::int64_t>(part.bytes.size())));
}

std::string local_header(const ZipPart& part) {
  const std::string& name = part.local_name.empty() ? part.name : part.local_name;
  return little(0x04034b50u) + little<std::uint16_t>(20) + little(part.flags) + little(part.method) + little(0u) + little(checksum(part)) +
         sizes(part, part.size) + little(static_cast<std::uint16_t>(name.size())) + little<std::uint16_t>(0) + name;
}

std::string directory_entry(const ZipPart& part, std::size_t header) {
  return little(0x02014b50u) + little<std::uint16_t>(20) + little<std::uint16_t>(20) + little(part.flags) + little(part.method) + little(0u) +
         little(checksum(part)) + sizes(part, part.directory_size >= 0 ? part.directory_size : part.size) +
         little(static_cast<std::uint16_t>(part.name.size())) + little<std::uint16_t>(0) + little<std::uint16_t>(0) + little<std::uint16_t>(0) +
         little<std::uint16_t>(0) + little(0u) + little(static_cast<std::uint32_t>(static_cast<std::int64_t>(header) + part.header_shift)) +
         part.name;
}

const char* storage_of(DType type) {
  switch (type) {
    case DType::float16: return "HalfStorage";
    case DType::bfloat16: return "BFloat16Storage";
    case DType::int64: return "LongStorage";
    default: return "FloatStorage";
  }
}

std::vector<std::int64_t> dense_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()));
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

}  // namespace

std::string make_zip(const std::vector<ZipPart>& parts, std::int64_t entries) {
  std::string archive, directory;
  for (const ZipPart& part : parts) {
    directory += directory_entry(part, archive.size());
    archive += local_header(part) + part.bytes;
  }
  const auto count = static_cast<std::uint16_t>(entries >= 0 ? entries : static_cast<std::int64_t>(parts.size()));
  const std::string end = little(0x06054b50u) + little(0u) + little(count) + little(count) + little(static_cast<std::uint32_t>(directory.size())) +
                          little(static_cast<std::uint32_t>(archive.size())) + little<std::uint16_t>(0);
  return archive + directory + end;
}

std::string make_torch_zip(const std::string& pickle, const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<ZipPart> parts{{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}, {"archive/version", "3\n"}};
  for (const auto& [key, bytes] : storages) parts.push_back({"archive/data/" + key, bytes});
  return make_zip(parts);
}

std::string make_torch_legacy(const std::string& object, const std::string& keys, const std::string& storages) {
  using namespace pickle;
  const std::string magic = whole(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12));
  return magic + whole("M" + little<std::uint16_t>(1001)) + whole(dict(text("little_endian") + "\x88")) + whole(object) + whole(keys) + storages;
}

namespace {

/// A state dict of the reader's tensors; take(key, elements, bytes) is told the storages.
template <typename Take>
std::string state_dict_of(const WeightReader& weights, const Take& take) {
  std::string items;
  int storages = 0;
  for (const std::string& name : weights.names()) {
    const TensorView view = weights.find(name);
    const std::string key = std::to_string(storages++);
    items += pickle::text(name) + pickle::tensor(pickle::storage(key, view.count(), storage_of(view.dtype)), 0,
                                                 {view.shape.begin(), view.shape.end()}, dense_strides(view.shape));
    take(key, view.count(), std::string(view.as<char>(), view.bytes()));
  }
  return pickle::dict(pickle::text("state_dict") + pickle::dict(items));
}

}  // namespace

std::string torch_zip_of(const WeightReader& weights) {
  std::vector<std::pair<std::string, std::string>> storages;
  const std::string object =
      state_dict_of(weights, [&](const std::string& key, std::int64_t, std::string bytes) { storages.emplace_back(key, std::move(bytes)); });
  return make_torch_zip(pickle::whole(object), storages);
}

std::string torch_legacy_of(const WeightReader& weights) {
  std::string keys, storages;
  const std::string object = state_dict_of(weights, [&](const std::string& key, std::int64_t elements, const std::string& bytes) {
    keys += pickle::text(key);
    storages += little(elements) + bytes;
  });
  return make_torch_legacy(object, pickle::list(keys), storages);
}

}  // namespace impasto::test
