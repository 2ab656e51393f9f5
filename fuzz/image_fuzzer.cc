#include <span>

#include "fuzz.h"
#include "impasto/image.h"

// A picture file. What is accepted has the pixels that its sides promise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported, ErrorKind::out_of_memory}, [&] {
    const Image image = decode_image(std::span(data, size), "input");
    CHECK(image.width > 0 && image.height > 0);
    CHECK(image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  });
  return 0;
}
