// Files of torch.save built by hand, honest or not: pickles from opcodes, and archives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/reader.h"

namespace impasto::test {

template <typename T>
std::string little(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF);
  return bytes;
}

namespace pickle {

inline std::string text(std::string_view s) { return "X" + little(static_cast<std::uint32_t>(s.size())) + std::string(s); }
inline std::string integer(std::int32_t n) { return "J" + little(n); }
inline std::string long_integer(std::int64_t n) { return "\x8a\x08" + little(n); }
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string call(const std::string& callee, const std::string& arguments) { return callee + tuple(arguments) + "R"; }
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string list(const std::string& items) { return "](" + items + "e"; }
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }

inline std::string storage(const std::string& key, std::int64_t elements, const std::string& type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + long_integer(elements)) + "Q";
}

inline std::string numbers(const std::vector<std::int64_t>& values) {
  std::string items;
  for (const std::int64_t n : values) items += long_integer(n);
  return tuple(items);
}

inline std::string tensor(const std::string& storage, std::int64_t offset, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              storage + long_integer(offset) + numbers(sizes) + numbers(strides) + "\x89" + call(global("collections", "OrderedDict"), ""));
}

}  // namespace pickle

/// An entry of an archive, as its two headers have it.
struct ZipPart {
  std::string name, bytes;
  std::uint16_t method = 0, flags = 0;
  std::int64_t size = -1;            ///< as both headers claim it; -1: as it is
  std::int64_t directory_size = -1;  ///< as the directory claims it
  std::int64_t header_shift = 0;     ///< the directory points so far beside the header
  std::string local_name = {};       ///< in the entry's own header; empty: the same
  std::int64_t crc = -1;
};

/// A zip archive with what the parts claim. `size_of_all`: what the end record says of the number of entries; -1: as it is.
std::string make_zip(const std::vector<ZipPart>& parts, std::int64_t entries = -1);

/// What torch.save writes: the pickle, and a file for each storage.
std::string make_torch_zip(const std::string& pickle, const std::vector<std::pair<std::string, std::string>>& storages);

/// What torch.save wrote before 1.6: the state dict, the list of the storages' keys (both without a pickle's frame), and the storages.
std::string make_torch_legacy(const std::string& object, const std::string& keys, const std::string& storages);

/// A state dict of the reader's tensors, saved in either way.
std::string torch_zip_of(const WeightReader& weights);
std::string torch_legacy_of(const WeightReader& weights);

}  // namespace impasto::test
