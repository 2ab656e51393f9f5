#include "weights/writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/atomic_file.h"
#include "core/cancellation.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr std::size_t kPieceElements = 1 << 20;  // a multiple of every block format's rows

float as_float(const std::byte* at, DType type) {
  std::uint16_t half = 0;
  float single = 0;
  double wide = 0;
  switch (type) {
    case DType::float16: return std::memcpy(&half, at, sizeof half), float16_to_float32(half);
    case DType::bfloat16: return std::memcpy(&half, at, sizeof half), bfloat16_to_float32(half);
    case DType::float32: return std::memcpy(&single, at, sizeof single), single;
    case DType::float64: return std::memcpy(&wide, at, sizeof wide), static_cast<float>(wide);
    default: fail(ErrorKind::internal, "weights of an integer type");
  }
}

/// Calls take(bytes, elements, type) for pieces of the parts as they are stored.
template <typename Take>
void for_each_stored(const TensorToWrite& tensor, const Take& take) {
  std::vector<std::byte> piece;
  for (const std::string& part : tensor.parts) {
    const TensorInfo info = tensor.source->describe(part).value();
    const auto elements = static_cast<std::size_t>(info.shape.count());
    for (std::size_t begin = 0; begin < elements;) {
      stop_if_asked();
      const std::size_t count = std::min(kPieceElements, elements - begin);
      piece.resize(count * size_of(info.dtype));
      tensor.source->read_range(part, begin * size_of(info.dtype), piece.size(), piece.data());
      take(std::span<const std::byte>(piece), count, info.dtype);
      begin += count;
    }
  }
}

[[noreturn]] void fail_range(const TensorToWrite& tensor, float value) {
  fail(ErrorKind::unsupported, tensor.source->where(), ": tensor ", in_quotes(tensor.parts.front()), " holds ", value, ", which ",
       to_string(tensor.dtype), " cannot; take bfloat16 or float32");
}

void convert(const TensorToWrite& tensor, std::span<const std::byte> from, std::size_t count, DType type, std::vector<std::uint8_t>& to) {
  to.resize(count * size_of(tensor.dtype));
  for (std::size_t i = 0; i < count; ++i) {
    const float value = as_float(from.data() + i * size_of(type), type);
    if (tensor.dtype == DType::float32) {
      std::memcpy(to.data() + i * sizeof value, &value, sizeof value);
      continue;
    }
    const std::uint16_t half = tensor.dtype == DType::float16 ? float32_to_float16(value) : float32_to_bfloat16(value);
    if (tensor.dtype == DType::float16 && std::isfinite(value) && (half & 0x7FFFu) == 0x7C00u) fail_range(tensor, value);
    std::memcpy(to.data() + i * sizeof half, &half, sizeof half);
  }
}

const char* type_name(DType type) {
  switch (type) {
    case DType::float32: return "F32";
    case DType::float16: return "F16";
    case DType::bfloat16: return "BF16";
    default: fail(ErrorKind::internal, "a type that is not written");
  }
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

std::string record_of(const TensorToWrite& t, std::uint64_t begin) {
  std::string shape;
  for (const std::int64_t dim : t.shape) shape += concat(shape.empty() ? "" : ",", std::to_string(dim));
  const std::string first = std::to_string(begin), past = std::to_string(begin + t.bytes());  // a stream would write them as the locale has it
  return concat(R"({"dtype":")", type_name(t.dtype), R"(","shape":[)", shape, R"(],"data_offsets":[)", first, ",", past, "]}");
}

/// The header's length, and the header, padded so that what follows is aligned. Written by hand: see dismantle() in core/json.h.
std::string header_of(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string texts, records;
  for (const auto& [key, text] : metadata) texts += concat(texts.empty() ? "" : ",", quoted(key), ":", quoted(text));
  std::uint64_t begin = 0;
  for (const TensorToWrite& t : tensors) {
    records += concat(",", quoted(t.name), ":", record_of(t, begin));
    begin += t.bytes();
  }
  std::string text = concat(R"({"__metadata__":{)", texts, "}", records, "}");
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string bytes(8, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

std::span<const std::uint8_t> as_bytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

}  // namespace

void for_each_piece(const TensorToWrite& tensor, const std::function<void(std::span<const std::uint8_t>)>& take) {
  std::vector<std::uint8_t> converted;
  for_each_stored(tensor, [&](std::span<const std::byte> piece, std::size_t count, DType type) {
    if (type == tensor.dtype) return take({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
    convert(tensor, piece, count, type, converted);
    take(converted);
  });
}

void for_each_float(const TensorToWrite& tensor, const std::function<void(std::span<const float>)>& take) {
  std::vector<float> floats;
  for_each_stored(tensor, [&](std::span<const std::byte> piece, std::size_t count, DType type) {
    floats.resize(count);
    for (std::size_t i = 0; i < count; ++i) floats[i] = as_float(piece.data() + i * size_of(type), type);
    take(floats);
  });
}

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, const std::map<std::string, std::string>& metadata,
                       const WriteProgress& progress) {
  // Wide types first, so that all are aligned.
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return size_of(a.dtype) != size_of(b.dtype) ? size_of(a.dtype) > size_of(b.dtype) : a.name < b.name;
  });
  const std::string header = header_of(tensors, metadata);
  std::uint64_t bytes = header.size();
  for (const TensorToWrite& t : tensors) bytes += t.bytes();
  write_file_atomically(path, bytes, [&](const WriteBytes& write) {
    std::uint64_t done = header.size();
    write(as_bytes(header));
    for (const TensorToWrite& t : tensors)
      for_each_piece(t, [&](std::span<const std::uint8_t> piece) {
        write(piece);
        done += piece.size();
        if (progress) progress(done);
      });
  });
}

}  // namespace impasto
