#include <memory>
#include <new>

#include <webp/encode.h>
#include <webp/mux.h>

#include "core/fail.h"
#include "image/encoders.h"

namespace impasto {
namespace {

/// Takes the encoder's bytes; false when there is no memory for them.
int append(const std::uint8_t* data, std::size_t size, const WebPPicture* picture) {
  auto* bytes = static_cast<std::vector<std::uint8_t>*>(picture->custom_ptr);
  try {
    bytes->insert(bytes->end(), data, data + size);
    return 1;
  } catch (...) {  // an exception must not pass through libwebp's frames
    return 0;
  }
}

struct Picture : WebPPicture {
  Picture() {
    if (WebPPictureInit(this) == 0) fail(ErrorKind::internal, "libwebp is another version than the one that was built with");
  }
  ~Picture() { WebPPictureFree(this); }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
};

[[noreturn]] void refuse(const Picture& picture) {
  const bool memory = picture.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY || picture.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY ||
                      picture.error_code == VP8_ENC_ERROR_BAD_WRITE;
  if (memory) throw std::bad_alloc();
  fail(ErrorKind::internal, "WebP: the encoder gave up with error ", static_cast<int>(picture.error_code));
}

std::vector<std::uint8_t> encode(const Image& image, const EncodeOptions& options) {
  WebPConfig config;
  if (WebPConfigInit(&config) == 0) fail(ErrorKind::internal, "libwebp is another version than the one that was built with");
  config.quality = static_cast<float>(options.quality);
  config.lossless = options.lossless ? 1 : 0;
  std::vector<std::uint8_t> bytes;
  Picture picture;
  picture.use_argb = options.lossless ? 1 : 0;
  picture.width = image.width;
  picture.height = image.height;
  picture.writer = append;
  picture.custom_ptr = &bytes;
  if (WebPPictureImportRGB(&picture, image.pixels.data(), 3 * image.width) == 0 || WebPEncode(&config, &picture) == 0) refuse(picture);
  return bytes;
}

/// The same file with an EXIF chunk.
std::vector<std::uint8_t> with_exif(const std::vector<std::uint8_t>& webp, const std::vector<std::uint8_t>& exif) {
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxNew(), WebPMuxDelete);
  if (mux == nullptr) throw std::bad_alloc();
  const WebPData picture{webp.data(), webp.size()}, chunk{exif.data(), exif.size()};
  WebPData whole{};
  const bool made = WebPMuxSetImage(mux.get(), &picture, /*copy_data=*/0) == WEBP_MUX_OK &&
                    WebPMuxSetChunk(mux.get(), "EXIF", &chunk, /*copy_data=*/0) == WEBP_MUX_OK && WebPMuxAssemble(mux.get(), &whole) == WEBP_MUX_OK;
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owner(&whole, WebPDataClear);
  if (!made) throw std::bad_alloc();  // all else that may go wrong is about files from elsewhere
  return {whole.bytes, whole.bytes + whole.size};
}

}  // namespace

std::vector<std::uint8_t> webp_bytes(const Image& image, const std::vector<std::uint8_t>& exif, const EncodeOptions& options) {
  require_encodable(image, "WebP", WEBP_MAX_DIMENSION);
  std::vector<std::uint8_t> bytes = encode(image, options);
  return exif.empty() ? bytes : with_exif(bytes, exif);
}

}  // namespace impasto
