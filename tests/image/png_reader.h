// libpng's reading side: what a program of somebody else's sees in our files.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <png.h>

#include "impasto/image.h"

namespace impasto::test {

struct DecodedText {
  std::string keyword, value;
  bool international = false;  ///< iTXt
};

struct Decoded {
  Image image;
  int bit_depth = 0, color_type = 0;
  std::vector<DecodedText> text;
};

/// Decodes a whole file held in memory; a failure fails the test.
inline Decoded decode(const std::vector<std::uint8_t>& file) {
  Decoded out;
  struct Source {
    const std::uint8_t* at;
    std::size_t left;
  } source{file.data(), file.size()};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) {  // the test ends here, so what it skips does not matter
    ADD_FAILURE() << "libpng refuses the file";
    return out;
  }
  png_set_read_fn(png, &source, [](png_structp p, png_bytep data, std::size_t size) {
    auto* s = static_cast<Source*>(png_get_io_ptr(p));
    if (size > s->left) png_error(p, "truncated");
    std::copy_n(s->at, size, data);
    s->at += size;
    s->left -= size;
  });
  png_read_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  out.image.width = static_cast<int>(png_get_image_width(png, info));
  out.image.height = static_cast<int>(png_get_image_height(png, info));
  out.bit_depth = png_get_bit_depth(png, info);
  out.color_type = png_get_color_type(png, info);
  for (int y = 0; y < out.image.height; ++y) {
    const png_bytep row = png_get_rows(png, info)[y];
    out.image.pixels.insert(out.image.pixels.end(), row, row + png_get_rowbytes(png, info));
  }
  png_textp text = nullptr;
  int num_text = 0;
  png_get_text(png, info, &text, &num_text);
  for (int i = 0; i < num_text; ++i) {
    const bool international = text[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    out.text.push_back({text[i].key, {text[i].text, international ? text[i].itxt_length : text[i].text_length}, international});
  }
  png_destroy_read_struct(&png, &info, nullptr);
  return out;
}

}  // namespace impasto::test
