#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it first
#include <cstring>
#include <new>

#include <jerror.h>
#include <jpeglib.h>

#include "image/decoders.h"

namespace impasto {
namespace {

/// Real files have about ten; each costs a pass over the picture, and a small file can ask for thousands.
constexpr int kMostScans = 200;

/// What libjpeg's callbacks see. Errors leave libjpeg by longjmp, which runs no destructor: the functions between hold none.
struct Reading {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf leave{};
  char message[JMSG_LENGTH_MAX] = "";
  bool cut = false;

  Reading();
  ~Reading() { jpeg_destroy_decompress(&jpeg); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};

Reading& reading_of(j_common_ptr jpeg) { return *static_cast<Reading*>(jpeg->client_data); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  Reading& r = reading_of(jpeg);
  if (r.message[0] == '\0') jpeg->err->format_message(jpeg, r.message);
  std::longjmp(r.leave, 1);
}

/// libjpeg only warns of a missing end and paints the rest grey; other warnings are about oddities that cameras do write.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0 || jpeg->err->msg_code != JWRN_JPEG_EOF) return;
  reading_of(jpeg).cut = true;
  on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMostScans) return;
  Reading& r = reading_of(jpeg);
  std::snprintf(r.message, sizeof r.message, "it has more than %d scans", kMostScans);
  on_error(jpeg);
}

Reading::Reading() {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  errors.output_message = [](j_common_ptr) {};  // the library prints nothing
  jpeg.client_data = this;
  progress.progress_monitor = on_progress;
}

/// Runs `f`; false when libjpeg gave up meanwhile. An exception must not pass through libjpeg's frames, so `f` throws none.
template <typename F>
bool attempt(Reading& r, const F& f) {
  if (setjmp(r.leave) != 0) return false;
  f();
  return true;
}

[[noreturn]] void refuse(const ImageFile& file, const Reading& r) {
  if (r.errors.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
  if (r.cut) file.bad("the JPEG ends early; it was cut short");
  file.bad("the JPEG is damaged: ", r.message);
}

void read_header(Reading& r, std::span<const std::uint8_t> bytes) noexcept {
  jpeg_create_decompress(&r.jpeg);
  r.jpeg.progress = &r.progress;
  jpeg_mem_src(&r.jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&r.jpeg, JPEG_APP0 + 1, 0xFFFF);  // EXIF
  jpeg_read_header(&r.jpeg, TRUE);
  const bool four = r.jpeg.jpeg_color_space == JCS_CMYK || r.jpeg.jpeg_color_space == JCS_YCCK;
  r.jpeg.out_color_space = four ? JCS_CMYK : JCS_RGB;
}

/// Inks to light, in place of the first three of four. Adobe's programs store how much light an ink leaves rather than how much it takes, and
/// no other program writes such files.
void inks_to_rgb(std::uint8_t* pixels, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* ink = pixels + 4 * i;
    const int black = ink[3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int taken = (255 - ink[c]) * black + 128;
      pixels[3 * i + c] = static_cast<std::uint8_t>(black - ((taken + (taken >> 8)) >> 8));
    }
  }
}

void read_rows(Reading& r, Image& image, std::uint8_t* row) noexcept {
  jpeg_start_decompress(&r.jpeg);
  const auto width = static_cast<std::size_t>(image.width);
  while (r.jpeg.output_scanline < r.jpeg.output_height) {
    jpeg_read_scanlines(&r.jpeg, &row, 1);
    if (r.jpeg.out_color_space == JCS_CMYK) inks_to_rgb(row, width);
    image.pixels.insert(image.pixels.end(), row, row + 3 * width);  // room is reserved, so that nothing is thrown
  }
  jpeg_finish_decompress(&r.jpeg);
}

/// The fewest bytes of a whole file: every component's first scan has a code for the DC coefficient of each of its 8 x 8 blocks, and Huffman's
/// codes have at least one bit. The first component's blocks are counted, as a scan of it alone codes them: one of all components codes more, up
/// to whole MCUs. Arithmetic codes have no such least: they can spend a hundredth of a bit.
std::uint64_t fewest_bytes(const Reading& r) {
  if (r.jpeg.arith_code != FALSE) return 0;
  const jpeg_component_info& first = r.jpeg.comp_info[0];
  return std::uint64_t{first.width_in_blocks} * first.height_in_blocks / 8;
}

std::vector<std::uint8_t> find_exif(const Reading& r) {
  for (const jpeg_marker_struct* m = r.jpeg.marker_list; m != nullptr; m = m->next)
    if (m->data_length >= 6 && std::memcmp(m->data, "Exif\0", 6) == 0) return {m->data, m->data + m->data_length};
  return {};
}

}  // namespace

DecodedImage decode_jpeg(const ImageFile& file) {
  Reading r;
  if (!attempt(r, [&] { read_header(r, file.bytes); })) refuse(file, r);
  require_reasonable_size(file, r.jpeg.image_width, r.jpeg.image_height);
  require_enough_bytes(file, fewest_bytes(r), r.jpeg.image_width, r.jpeg.image_height);
  DecodedImage out{{static_cast<int>(r.jpeg.image_width), static_cast<int>(r.jpeg.image_height), {}}, find_exif(r), {}};
  std::vector<std::uint8_t> row(4 * std::size_t{r.jpeg.image_width});
  out.image.pixels.reserve(3 * std::size_t{r.jpeg.image_width} * r.jpeg.image_height);
  if (!attempt(r, [&] { read_rows(r, out.image, row.data()); })) refuse(file, r);
  return out;
}

}  // namespace impasto
