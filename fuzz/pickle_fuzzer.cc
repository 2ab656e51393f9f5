#include "fuzz.h"
#include "weights/torch_pickle.h"

// Input: a pickle. What is accepted refers to itself only, and every tensor lies inside of its storage.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported}, [&] {
    const TorchMeaning meaning("input");
    const Pickle pickle = read_pickle(fuzz::text(data, size), meaning, "input");
    CHECK(pickle.bytes <= size && pickle.root < pickle.values.size() && pickle.values.size() <= kMostPickleValues);
    for (const PickleValue& value : pickle.values)
      for (const PickleId item : value.items) CHECK(item < pickle.values.size());
    for (const TorchTensor& t : read_torch_content(pickle, "input").tensors) {
      CHECK(t.type != nullptr && t.place.rank <= PickleTensor::kMaxRank);
      __int128 last = t.place.offset, count = 1;
      for (std::size_t i = 0; i < static_cast<std::size_t>(t.place.rank); ++i) {
        count *= t.place.dims[i];
        last += static_cast<__int128>(t.place.dims[i] - 1) * t.place.strides[i];
      }
      CHECK(t.place.offset >= 0 && count >= 0 && count <= t.storage_elements && (count == 0 || last < t.storage_elements));
    }
  });
  return 0;
}
