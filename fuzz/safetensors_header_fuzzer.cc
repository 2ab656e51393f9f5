#include <algorithm>

#include "fuzz.h"
#include "weights/safetensors_header.h"

// Input: a byte with the size of the data, then the header. What is accepted covers the data exactly, under different names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  if (size == 0) return 0;
  fuzz::expect_error_or_result({ErrorKind::bad_file}, [&] {
    const std::uint64_t data_bytes = data[0];
    auto tensors = parse_safetensors_header(fuzz::text(data + 1, size - 1), data_bytes, "input");
    for (std::size_t i = 1; i < tensors.size(); ++i) CHECK(tensors[i - 1].name < tensors[i].name);
    std::uint64_t covered = 0;
    for (const StoredTensor& t : tensors) {
      CHECK(t.begin <= t.end && t.end <= data_bytes);
      covered += t.end - t.begin;
      if (t.rank > Shape::kMaxRank) continue;
      CHECK(t.shape.rank() == t.rank);
      CHECK(std::find(t.shape.begin(), t.shape.end(), 0) != t.shape.end() ||
            static_cast<std::uint64_t>(t.shape.count()) * static_cast<std::uint64_t>(t.type->bits) == (t.end - t.begin) * 8);
    }
    CHECK(covered == data_bytes);
  });
  return 0;
}
