// encode_png against libpng's own reader.
#include <random>

#include <gtest/gtest.h>

#include "image/png_reader.h"
#include "impasto/error.h"
#include "impasto/image.h"

namespace impasto {
namespace {

using test::decode;
using test::Decoded;

Image noise(int width, int height, unsigned seed = 1) {
  std::mt19937 random(seed);
  Image image{width, height, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(random());
  return image;
}

ErrorKind kind_of(const Image& image, const std::vector<TextChunk>& text = {}) {
  try {
    encode_png(image, text);
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "nothing thrown";
  return ErrorKind::internal;
}

TEST(Png, EveryPixelComesBackAtEverySize) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 300}, {300, 1}, {8, 8}, {17, 5}, {64, 64}, {257, 33}, {512, 96}}) {
    const Image image = noise(width, height);
    const Decoded got = decode(encode_png(image));
    EXPECT_EQ(got.bit_depth, 8);
    EXPECT_EQ(got.color_type, PNG_COLOR_TYPE_RGB);
    ASSERT_EQ(std::pair(got.image.width, got.image.height), std::pair(width, height));
    EXPECT_EQ(got.image.pixels, image.pixels) << width << " x " << height;
  }
}

TEST(Png, PhotographsAndFlatPicturesAreCompressed) {
  Image ramp{256, 256, {}};
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x)
      for (const int v : {x, y, (x + y) / 2}) ramp.pixels.push_back(static_cast<std::uint8_t>(v));
  EXPECT_LT(encode_png(ramp).size(), ramp.pixels.size() / 5);
  EXPECT_LT(encode_png({256, 256, std::vector<std::uint8_t>(3 * 256 * 256, 200)}).size(), 3u * 256 * 256 / 100);
}

TEST(Png, TheSamePictureGivesTheSameBytes) { EXPECT_EQ(encode_png(noise(40, 30), {{"a", "b"}}), encode_png(noise(40, 30), {{"a", "b"}})); }

TEST(Png, Latin1TextGoesIntoTextChunksAndTheRestIntoInternationalOnes) {
  const std::vector<TextChunk> text = {{"parameters", "a caf\u00e9 at night\nSteps: 20"}, {"Title", "\u732b \U0001F3A8"}, {"Empty", ""}};
  const Decoded got = decode(encode_png(noise(8, 8), text));
  ASSERT_EQ(got.text.size(), 3u);
  EXPECT_EQ(got.text[0].keyword, "parameters");
  EXPECT_FALSE(got.text[0].international);
  EXPECT_EQ(got.text[0].value, "a caf\xe9 at night\nSteps: 20");
  EXPECT_TRUE(got.text[1].international);
  EXPECT_EQ(got.text[1].value, "\u732b \U0001F3A8");
  EXPECT_EQ(got.text[2].value, "");
}

TEST(Png, EveryLatin1CharacterSurvives) {
  std::string utf8, latin1;
  for (int c = 1; c < 256; ++c) {
    latin1 += static_cast<char>(c);
    if (c >= 0x80) utf8 += static_cast<char>(0xC0 | c >> 6);
    utf8 += static_cast<char>(c < 0x80 ? c : 0x80 | (c & 0x3F));
  }
  EXPECT_EQ(decode(encode_png(noise(8, 8), {{"k", utf8}})).text.at(0).value, latin1);
}

TEST(Png, LongTextIsKeptWhole) {
  const std::string text(200'000, 'x');
  EXPECT_EQ(decode(encode_png(noise(8, 8), {{"parameters", text}})).text.at(0).value, text);
}

TEST(Png, RefusesPixelsThatDoNotFillThePicture) {
  EXPECT_EQ(kind_of({}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of({0, 4, {}}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of({-2, -2, std::vector<std::uint8_t>(12)}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of({4, 4, std::vector<std::uint8_t>(47)}), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of({4, 4, std::vector<std::uint8_t>(49)}), ErrorKind::invalid_argument);
}

TEST(Png, RefusesWhatLibpngRefusesWithoutLeaking) {  // the longjmp path: libpng takes at most a million pixels a side
  EXPECT_EQ(kind_of({1'000'001, 1, std::vector<std::uint8_t>(3'000'003)}), ErrorKind::invalid_argument);
}

TEST(Png, RefusesKeywordsThatPngDoesNotAllow) {
  for (const std::string& keyword : {std::string(), std::string(80, 'k'), std::string(" a"), std::string("a "), std::string("a\nb"),
                                     std::string("a\0b", 3), std::string("\x7f"), std::string("\x90")}) {
    EXPECT_EQ(kind_of(noise(8, 8), {{keyword, "v"}}), ErrorKind::invalid_argument) << keyword;
  }
  EXPECT_EQ(decode(encode_png(noise(8, 8), {{std::string(79, 'k'), "v"}})).text.size(), 1u);
}

TEST(Png, RefusesValuesThatAreNotUtf8) {
  for (const std::string& value :
       {std::string("\xff"), std::string("a\xc3"), std::string("\xc0\x80"), std::string("\xed\xa0\x80"), std::string("a\0b", 3)}) {
    EXPECT_EQ(kind_of(noise(8, 8), {{"k", value}}), ErrorKind::invalid_argument);
  }
}

}  // namespace
}  // namespace impasto
