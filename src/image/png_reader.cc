#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

#include <png.h>

#include "image/decoders.h"
#include "image/text_encoding.h"

namespace impasto {
namespace {

/// What libpng's callbacks see, and what has been read so far. Errors leave libpng by longjmp, which runs no destructor: the functions
/// between setjmp and libpng hold none.
struct Reading {
  std::span<const std::uint8_t> left;
  png_structp png = nullptr;
  png_infop info = nullptr;
  char message[160] = "";
  bool cut = false;

  ~Reading() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* reading = static_cast<Reading*>(png_get_error_ptr(png));
  if (reading->message[0] == '\0') std::snprintf(reading->message, sizeof reading->message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // the library prints nothing

void on_read(png_structp png, png_bytep data, std::size_t size) {
  auto* reading = static_cast<Reading*>(png_get_io_ptr(png));
  if (size > reading->left.size()) {
    reading->cut = true;
    png_error(png, "the file ends early");
  }
  std::memcpy(data, reading->left.data(), size);
  reading->left = reading->left.subspan(size);
}

/// Runs `f`; false when libpng gave up meanwhile. An exception must not pass through libpng's frames, so `f` throws none.
template <typename F>
bool attempt(Reading& reading, const F& f) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  f();
  return true;
}

/// 8-bit RGB whatever is stored: palettes and greys become colours, 16 bits lose their lower half, alpha is left out.
void ask_for_rgb(png_structp png, png_infop info) {
  const png_byte type = png_get_color_type(png, info);
  if (png_get_bit_depth(png, info) == 16) png_set_strip_16(png);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
  if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);  // libpng makes it of a palette's transparency too
}

/// Rows one after another: where the file is cut short, what it did not hold has not been asked for. Interlaced rows come in any order.
void read_rows(Reading& r, Image& image, int passes, std::uint8_t* row) noexcept {
  const std::size_t stride = 3 * static_cast<std::size_t>(image.width);
  if (passes == 1) {
    for (int y = 0; y < image.height; ++y) {
      png_read_row(r.png, row, nullptr);
      image.pixels.insert(image.pixels.end(), row, row + stride);  // room is reserved, so that nothing is thrown
    }
    return;
  }
  for (int pass = 0; pass < passes; ++pass)
    for (int y = 0; y < image.height; ++y) png_read_row(r.png, image.pixels.data() + static_cast<std::size_t>(y) * stride, nullptr);
}

[[noreturn]] void refuse(const ImageFile& file, const Reading& r) {
  if (std::strcmp(r.message, "Out of memory") == 0) throw std::bad_alloc();
  if (r.cut) file.bad("the PNG ends early; it was cut short");
  file.bad("the PNG is damaged: ", r.message);
}

/// The fewest bytes of a whole file: deflate makes at most 258 bytes of two bits, 1032 of one. Interlaced pixels fill no fewer bytes.
std::uint64_t fewest_bytes(const Reading& r) { return std::uint64_t{png_get_rowbytes(r.png, r.info)} * png_get_image_height(r.png, r.info) / 1032; }

/// Latin-1, or UTF-8 in international chunks; what is not what it should be is left out.
std::vector<TextChunk> read_text(const Reading& r) {
  png_textp chunks = nullptr;
  int count = 0;
  png_get_text(r.png, r.info, &chunks, &count);
  std::vector<TextChunk> text;
  for (const png_text& chunk : std::span(chunks, static_cast<std::size_t>(count))) {
    const bool international = chunk.compression >= PNG_ITXT_COMPRESSION_NONE;
    const std::string value(chunk.text, international ? chunk.itxt_length : chunk.text_length);
    if (!international) {
      text.emplace_back(from_latin1(chunk.key), from_latin1(value));
    } else if (text_encoding(value) != TextEncoding::invalid) {
      text.emplace_back(from_latin1(chunk.key), value);
    }
  }
  return text;
}

}  // namespace

DecodedImage decode_png(const ImageFile& file) {
  Reading r{file.bytes};
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  r.info = r.png != nullptr ? png_create_info_struct(r.png) : nullptr;
  if (r.info == nullptr) throw std::bad_alloc();
  png_set_read_fn(r.png, &r, on_read);
  if (!attempt(r, [&] { png_read_info(r.png, r.info); })) refuse(file, r);

  DecodedImage out;
  const png_uint_32 width = png_get_image_width(r.png, r.info), height = png_get_image_height(r.png, r.info);
  require_reasonable_size(file, width, height);
  require_enough_bytes(file, fewest_bytes(r), width, height);
  out.image.width = static_cast<int>(width);
  out.image.height = static_cast<int>(height);
  std::vector<std::uint8_t> row(3 * std::size_t{width});
  int passes = 1;
  if (!attempt(r, [&] {
        ask_for_rgb(r.png, r.info);
        passes = png_set_interlace_handling(r.png);
        png_read_update_info(r.png, r.info);
      }))
    refuse(file, r);
  IMPASTO_CHECK(png_get_rowbytes(r.png, r.info) == row.size());  // or rows would be written beyond their end
  out.image.pixels.reserve(row.size() * height);
  if (passes > 1) out.image.pixels.resize(row.size() * height);
  if (!attempt(r, [&] {
        read_rows(r, out.image, passes, row.data());
        png_read_end(r.png, r.info);
      }))
    refuse(file, r);

  out.text = read_text(r);
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(r.png, r.info, &size, &exif) != 0) out.exif.assign(exif, exif + size);
  return out;
}

}  // namespace impasto
