#include <span>

#include "fuzz.h"
#include "image/exif.h"
#include "image/text_encoding.h"
#include "impasto/image.h"

// A picture file, or EXIF alone. What is accepted has the pixels that its sides promise; comments are UTF-8.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  const int orientation = exif_orientation({data, size});
  CHECK(orientation >= 1 && orientation <= 8);
  const std::string comment = exif_user_comment({data, size});
  CHECK(comment.find('\0') != std::string::npos || text_encoding(comment) != TextEncoding::invalid);
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported, ErrorKind::out_of_memory}, [&] {
    const Image image = decode_image(std::span(data, size), "input");
    CHECK(image.width > 0 && image.height > 0);
    CHECK(image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  });
  return 0;
}
