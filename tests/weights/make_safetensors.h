// Safetensors files built by hand, honest or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace impasto::test {

/// Eight bytes of `length` (the header's own when not given), the header, the data.
inline std::string make_safetensors(std::string_view header, std::string_view data, std::uint64_t length = UINT64_MAX) {
  if (length == UINT64_MAX) length = header.size();
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(length >> (8 * i) & 0xFF);
  return file.append(header).append(data);
}

/// `"NAME":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
inline std::string record(std::string_view name, std::string_view dtype, std::string_view shape, std::uint64_t begin, std::uint64_t end) {
  return '"' + std::string(name) + R"(":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

}  // namespace impasto::test
