#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it first
#include <cstdlib>
#include <new>

#include <jerror.h>
#include <jpeglib.h>

#include "core/fail.h"
#include "image/encoders.h"

namespace impasto {
namespace {

constexpr std::size_t kLargestSegment = 65533;  // of bytes behind a marker's two of length
constexpr int kFullColour = 90;                 // the quality from which on colours are not halved in resolution

/// What libjpeg's callbacks see. Errors leave libjpeg by longjmp, which runs no destructor: the functions between hold none.
struct Writing {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf leave{};
  char message[JMSG_LENGTH_MAX] = "";
  unsigned char* bytes = nullptr;  // libjpeg's
  unsigned long size = 0;

  Writing();
  ~Writing() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  Writing& w = *static_cast<Writing*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, w.message);
  std::longjmp(w.leave, 1);
}

Writing::Writing() {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.output_message = [](j_common_ptr) {};  // the library prints nothing
  jpeg.client_data = this;
}

void write_all(Writing& w, const Image& image, const std::vector<std::uint8_t>& segment, int quality) noexcept {
  jpeg_create_compress(&w.jpeg);
  jpeg_mem_dest(&w.jpeg, &w.bytes, &w.size);
  w.jpeg.image_width = static_cast<JDIMENSION>(image.width);
  w.jpeg.image_height = static_cast<JDIMENSION>(image.height);
  w.jpeg.input_components = 3;
  w.jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&w.jpeg);
  jpeg_set_quality(&w.jpeg, quality, /*force_baseline=*/TRUE);
  w.jpeg.optimize_coding = TRUE;
  if (quality >= kFullColour) w.jpeg.comp_info[0].h_samp_factor = w.jpeg.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&w.jpeg, TRUE);
  if (!segment.empty()) jpeg_write_marker(&w.jpeg, JPEG_APP0 + 1, segment.data(), static_cast<unsigned>(segment.size()));
  while (w.jpeg.next_scanline < w.jpeg.image_height) {
    auto* row = const_cast<std::uint8_t*>(&image.pixels[3 * std::size_t{w.jpeg.next_scanline} * std::size_t{w.jpeg.image_width}]);
    jpeg_write_scanlines(&w.jpeg, &row, 1);
  }
  jpeg_finish_compress(&w.jpeg);
}

/// False when libjpeg gave up; w.message says why.
bool attempt(Writing& w, const Image& image, const std::vector<std::uint8_t>& segment, int quality) {
  if (setjmp(w.leave) != 0) return false;
  write_all(w, image, segment, quality);
  return true;
}

}  // namespace

std::vector<std::uint8_t> jpeg_bytes(const Image& image, const std::vector<std::uint8_t>& exif, const EncodeOptions& options) {
  require_encodable(image, "JPEG", JPEG_MAX_DIMENSION);
  std::vector<std::uint8_t> segment;
  if (!exif.empty()) segment = {'E', 'x', 'i', 'f', 0, 0};
  segment.insert(segment.end(), exif.begin(), exif.end());
  if (segment.size() > kLargestSegment)
    fail(ErrorKind::invalid_argument, "JPEG: the text takes ", segment.size(), " bytes, and a JPEG has room for ", kLargestSegment,
         "; PNG and WebP have more");
  Writing w;
  if (!attempt(w, image, segment, options.quality)) {
    if (w.errors.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    fail(ErrorKind::internal, "JPEG: ", w.message);
  }
  return {w.bytes, w.bytes + w.size};
}

}  // namespace impasto
