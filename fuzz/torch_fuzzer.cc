#include "fuzz.h"
#include "weights/torch_file.h"

// Input: a file of torch.save. Every tensor of what is accepted lies inside of the file. Checksums do not count here: a mutation would never get past
// them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported}, [&] {
    const MemoryBytes source(fuzz::text(data, size), "input");
    const FileContent content = size > 0 && data[0] == 'P' ? read_torch_zip(source) : read_torch_legacy(source);
    for (const FileTensor& t : content.tensors) {
      CHECK(t.begin <= t.end && t.end <= size);
      if (t.rank > Shape::kMaxRank || !t.dtype) continue;
      const auto bytes = static_cast<std::uint64_t>(t.shape.count()) * size_of(*t.dtype);
      CHECK(t.strides.empty() ? bytes == t.end - t.begin : t.strides.size() == static_cast<std::size_t>(t.rank));
    }
  });
  return 0;
}
