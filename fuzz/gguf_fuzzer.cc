#include "fuzz.h"
#include "weights/gguf.h"

// Input: a GGUF file. Every tensor of what is accepted lies inside of it and has as many bytes as its elements take; its blocks can be decoded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported}, [&] {
    const FileContent content = read_gguf(MemoryBytes(fuzz::text(data, size), "input"));
    for (const FileTensor& t : content.tensors) {
      CHECK(t.begin <= t.end && t.end <= size && t.rank >= 1 && t.rank <= Shape::kMaxRank);
      const auto count = static_cast<std::uint64_t>(t.shape.count());
      if (t.blocks == nullptr) {
        CHECK(!t.dtype || count * size_of(*t.dtype) == t.end - t.begin);
        continue;
      }
      CHECK(count / t.blocks->elements * t.blocks->bytes == t.end - t.begin);
      float elements[256];
      if (count > 0) t.blocks->decode(data + t.begin, elements);
    }
  });
  return 0;
}
