// decode_image against Pillow's reading of the same files, and against damaged ones.
#include <fstream>
#include <iterator>
#include <random>

#include <zlib.h>

#include "core/memory.h"
#include "impasto/image.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace impasto::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

const std::string kPictures = IMPASTO_TEST_DATA "/pictures/";

Bytes contents(const std::string& name) {
  std::ifstream file(kPictures + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Sets a big-endian number of 32 bits.
void put(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes.at(at + i) = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

/// A PNG whose header speaks of another size; its check sum is right.
Bytes png_of(const std::string& name, std::uint32_t width, std::uint32_t height) {
  Bytes png = contents(name);
  put(png, 16, width);
  put(png, 20, height);
  put(png, 29, static_cast<std::uint32_t>(crc32(0, &png[12], 17)));
  return png;
}

/// A JPEG whose frame speaks of another size.
Bytes jpeg_of(const std::string& name, std::uint32_t side) {
  Bytes jpeg = contents(name);
  for (std::size_t i = 2; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] != 0xFF || (jpeg[i + 1] != 0xC0 && jpeg[i + 1] != 0xC2)) continue;
    jpeg[i + 5] = jpeg[i + 7] = static_cast<std::uint8_t>(side >> 8);
    jpeg[i + 6] = jpeg[i + 8] = static_cast<std::uint8_t>(side);
  }
  return jpeg;
}

TEST(DecodeImage, ReadsEveryKindOfFileAsPillowDoes) {
  int files = 0;
  for (const GoldenCase& golden : golden_cases("images")) {
    if (!golden.settings().contains("file")) continue;
    const std::string name = golden.settings().at("file");
    const Image image = read_image(kPictures + name);
    const Shape shape = golden.shape("image");  // [height, width, 3]
    EXPECT_EQ(std::pair(image.height, image.width), std::pair(static_cast<int>(shape[0]), static_cast<int>(shape[1]))) << name;
    EXPECT_EQ(image.pixels, golden.bytes("image")) << name;
    ++files;
  }
  EXPECT_EQ(files, 19);
}

TEST(DecodeImage, LooksAtTheContentNotAtTheName) {
  const TemporaryFolder folder;
  const Bytes jpeg = contents("rgb.jpg");
  const std::string path = folder.write("picture.png", {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  EXPECT_EQ(read_image(path).pixels, read_image(kPictures + "rgb.jpg").pixels);
}

TEST(DecodeImage, NamesWhatItCannotRead) {
  const auto decode = [](const std::string& text) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "x.png");
  };
  EXPECT_ERROR(decode(""), bad_file, "x.png", "empty");
  EXPECT_ERROR(decode("hello, I am no picture"), bad_file, "x.png", "PNG, JPEG and WebP");
  EXPECT_ERROR(decode("GIF89a..."), unsupported, "x.png", "GIF", "convert");
  EXPECT_ERROR(decode(std::string("\0\0\0\x1c", 4) + "ftypavif"), unsupported, "AVIF");
  EXPECT_ERROR(read_image("/no/such/picture.png"), not_found, "/no/such/picture.png");
  EXPECT_ERROR(read_image("/tmp"), bad_file, "/tmp");
}

TEST(DecodeImage, AFileCutAnywhereIsAnError) {
  for (const std::string name :
       {"rgb.png", "interlaced.png", "palette.png", "rgb.jpg", "progressive.jpg", "turned.jpg", "rgb.webp", "lossless.webp"}) {
    const Bytes whole = contents(name);
    // Decoders need not notice that the mark of the end is missing from a JPEG whose rows are all there, nor WebP's padding.
    const std::size_t last = name.ends_with(".png") ? whole.size() - 1 : whole.size() - 16;
    for (std::size_t size = 0; size <= last; ++size) EXPECT_ERROR(decode_image({whole.data(), size}, name), bad_file, name);
  }
}

TEST(DecodeImage, DamagedBytesGiveAnErrorOrAPictureOfTheSameSize) {
  std::mt19937 random(1);
  for (const std::string name : {"rgb.png", "interlaced.png", "rgb.jpg", "progressive.jpg", "cmyk.jpg", "rgb.webp", "lossless.webp", "turned.webp"}) {
    const Bytes whole = contents(name);
    for (int round = 0; round < 300; ++round) {
      Bytes bytes = whole;
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
      try {
        const Image image = decode_image(bytes, name);
        EXPECT_EQ(image.pixels.size(), 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      }
    }
  }
}

TEST(DecodeImage, RefusesHugeDimensionsInASmallFileByTheHeaderAlone) {
  for (const auto& [width, height] : {std::pair{30'000u, 30'000u}, {1u, 200'000'000u}, {0x7FFFFFFFu, 0x7FFFFFFFu}})
    EXPECT_TRUE(throws_error([&, w = width, h = height] { decode_image(png_of("rgb.png", w, h), "bomb.png"); },
                             width > 1'000'000 || height > 1'000'000 ? ErrorKind::bad_file : ErrorKind::unsupported, {"bomb.png"}));
  EXPECT_ERROR(decode_image(jpeg_of("rgb.jpg", 61166), "bomb.jpg"), unsupported, "bomb.jpg", "61166 x 61166");
  EXPECT_ERROR(decode_image(png_of("rgb.png", 0, 5), "x.png"), bad_file, "x.png");
}

TEST(DecodeImage, TakesNoMemoryForWhatASmallFileCannotHold) {
  const std::vector<std::pair<std::string, Bytes>> files{{"plain.png", png_of("rgb.png", 13'000, 13'000)},
                                                         {"interlaced.png", png_of("interlaced.png", 13'000, 13'000)},
                                                         {"plain.jpg", jpeg_of("rgb.jpg", 13'000)},
                                                         {"progressive.jpg", jpeg_of("progressive.jpg", 13'000)}};
  for (const auto& [name, bytes] : files) {  // allowed, but 507 MB of pixels of which the file holds none
    const std::int64_t before = peak_resident_memory();
    EXPECT_ERROR(decode_image(bytes, name), bad_file, name, "13000 x 13000", "cut short");
    EXPECT_LT(peak_resident_memory() - before, 64 << 20) << name;
  }
}

TEST(DecodeImage, TakesMemoryOnlyForTheRowsThatAreThere) {
  Bytes png = png_of("rgb.png", 13'000, 13'000);
  png.resize(png.size() + (1 << 20));  // as many bytes as a whole one can do with
  const std::int64_t before = peak_resident_memory();
  EXPECT_ERROR(decode_image(png, "x.png"), bad_file, "x.png");
  EXPECT_LT(peak_resident_memory() - before, 64 << 20);
}

TEST(DecodeImage, ReadsTheSmallestWholeFiles) {
  const Image flat{2048, 1800, std::vector<std::uint8_t>(std::size_t{3} * 2048 * 1800, 255)};
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpeg}) {
    const Bytes bytes = encode_image(flat, format, {}, {1});
    EXPECT_LT(bytes.size(), 40'000u);
    EXPECT_EQ(decode_image(bytes).pixels, flat.pixels);
  }
}

}  // namespace
}  // namespace impasto::test
