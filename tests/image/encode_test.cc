// encode_image and write_image: JPEG and WebP, read again by decode_image; what A1111 wrote; hostile EXIF blocks.
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>

#include "image/exif.h"
#include "impasto/metadata.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

const std::string kText = "a café by the 海 \U0001F600\nNegative prompt: \"x\"\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5";

/// Slow waves in three colours.
Image picture(int width = 67, int height = 45) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.pixels.push_back(static_cast<std::uint8_t>(127 + 100 * std::sin(0.1 * x + 0.07 * y * (c + 1) + c)));
  return image;
}

double mean_error(const Image& a, const Image& b) {
  EXPECT_EQ(std::pair(a.width, a.height), std::pair(b.width, b.height));
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

std::vector<TextChunk> text_of(const TemporaryFolder& folder, const Bytes& bytes) {
  return read_image_text(folder.write("x", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

TEST(EncodeImage, QualityTradesErrorForSize) {
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    std::size_t size = 0;
    double error = 100;
    for (const int quality : {5, 50, 95}) {
      const Bytes bytes = encode_image(picture(), format, {}, {.quality = quality});
      EXPECT_GT(bytes.size(), size);
      EXPECT_LT(mean_error(decode_image(bytes), picture()), error);
      size = bytes.size(), error = mean_error(decode_image(bytes), picture());
    }
    EXPECT_LT(error, 2);
  }
}

TEST(EncodeImage, LosslessWebpKeepsEveryPixel) {
  Image noise = picture(31, 17);
  std::mt19937 random(1);
  for (auto& value : noise.pixels) value = static_cast<std::uint8_t>(random());
  for (const std::vector<TextChunk>& text : {std::vector<TextChunk>{}, {{"parameters", kText}}})
    EXPECT_EQ(decode_image(encode_image(noise, ImageFormat::webp, text, {.lossless = true})).pixels, noise.pixels);
}

TEST(EncodeImage, TheSmallestPictureCanBeWritten) {
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp})
    EXPECT_EQ(decode_image(encode_image(picture(1, 1), format, {{"parameters", "x"}})).pixels.size(), 3u);
}

TEST(EncodeImage, TextsComeBack) {
  const TemporaryFolder folder;
  for (const ImageFormat format : {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp}) {
    for (const std::string& value : {kText, std::string("x"), std::string("\u4e2d\u6587\u4e2d\u6587"), std::string(30'000, 'a')})
      EXPECT_EQ(text_of(folder, encode_image(picture(), format, {{"parameters", value}})), (std::vector<TextChunk>{{"parameters", value}}));
    EXPECT_EQ(text_of(folder, encode_image(picture(), format)).size(), 0u);
  }
}

TEST(EncodeImage, ReadsWhatPiexifWroteForA1111) {
  for (const std::string name : {"a1111.jpg", "a1111.webp"}) {
    const auto text = read_image_text(IMPASTO_TEST_DATA "/infotexts/" + name);
    ASSERT_EQ(text.size(), 1u) << name;
    const Infotext info = parse_infotext(text[0].second);
    EXPECT_EQ(info.prompt, "a cat, (café:1.2) \u732b \U0001F600");
    EXPECT_EQ(info.negative_prompt, "dog");
    EXPECT_EQ(info.value("Sampler"), "Euler a");
    EXPECT_EQ(info.value("Version"), "v1.10.1");
  }
}

TEST(EncodeImage, WritesTheCommentByteForByteAsPiexif) {
  const std::string text = read_image_text(IMPASTO_TEST_DATA "/infotexts/a1111.jpg").at(0).second;
  const auto comment = [&](const Bytes& bytes) {
    const std::string all(bytes.begin(), bytes.end());
    const auto at = all.find(std::string("UNICODE\0", 8));
    return at == std::string::npos ? "" : all.substr(at, 8 + 2 * 20);
  };
  std::ifstream file(IMPASTO_TEST_DATA "/infotexts/a1111.jpg", std::ios::binary);
  const Bytes theirs{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_EQ(comment(theirs).size(), 48u);
  EXPECT_EQ(comment(encode_image(picture(), ImageFormat::jpeg, {{"parameters", text}})), comment(theirs));
  EXPECT_EQ(comment(encode_image(picture(), ImageFormat::webp, {{"parameters", text}})), comment(theirs));
}

TEST(EncodeImage, RefusesWhatAFormatCannotHold) {
  const auto jpeg = [](const std::vector<TextChunk>& text, const Image& image = picture()) { encode_image(image, ImageFormat::jpeg, text); };
  EXPECT_ERROR(jpeg({{"parameters", std::string(40'000, 'a')}}), invalid_argument, "JPEG", "80058", "WebP");
  EXPECT_ERROR(jpeg({{"other", "x"}}), invalid_argument, "parameters");
  EXPECT_ERROR(jpeg({{"parameters", "x"}, {"parameters", "y"}}), invalid_argument, "parameters");
  EXPECT_ERROR(jpeg({{"parameters", "\xff"}}), invalid_argument, "UTF-8");
  EXPECT_ERROR(jpeg({}, {3, 2, Bytes(17)}), invalid_argument, "3 x 2");
  EXPECT_ERROR(jpeg({}, {}), invalid_argument, "0 x 0");
  EXPECT_ERROR(jpeg({}, {65'501, 1, Bytes(3 * 65'501)}), invalid_argument, "JPEG", "65500");
  EXPECT_ERROR(encode_image({1, 16'384, Bytes(3 * 16'384)}, ImageFormat::webp), invalid_argument, "WebP", "16383");
  for (const int quality : {0, 101, -5})
    EXPECT_ERROR(encode_image(picture(), ImageFormat::webp, {}, {.quality = quality}), invalid_argument, "quality");
}

TEST(WriteImage, TakesTheFormatFromTheName) {
  const TemporaryFolder folder;
  for (const std::string name : {"a.png", "a.jpg", "a.JPEG", "a.webp", "plain"}) {
    write_image(folder / name, picture(), {{"parameters", kText}}, {.quality = 95});
    EXPECT_LT(mean_error(read_image(folder / name), picture()), 2) << name;
    std::ifstream file(folder / name, std::ios::binary);
    const std::string begin{std::istreambuf_iterator<char>(file), {}};
    const bool png = name == "a.png" || name == "plain";
    EXPECT_TRUE(begin.starts_with(png ? "\x89PNG" : name == "a.webp" ? "RIFF" : "\xff\xd8")) << name;
  }
  EXPECT_ERROR(write_image(folder / "a.gif", picture()), invalid_argument, "a.gif", ".webp");
  EXPECT_ERROR(write_image(folder / "none/a.jpg", picture()), io, "none");
}

/// Whatever stands there, reading gives a text or none, and the picture.
TEST(HostileExif, DamagedBlocksDoNoHarm) {
  const Bytes whole = exif_with_user_comment(kText);
  ASSERT_EQ(exif_user_comment(whole), kText);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(exif_user_comment({whole.data(), size}), "") << size;
  for (std::size_t at = 0; at < 44; ++at)
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Bytes bytes = whole;
      bytes[at] = static_cast<std::uint8_t>(value);
      exif_user_comment(bytes), exif_orientation(bytes);  // under the sanitizers: nothing is read from elsewhere
    }
}

TEST(HostileExif, DamagedFilesDoNoHarm) {
  const TemporaryFolder folder;
  std::mt19937 random(3);
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    const Bytes whole = encode_image(picture(8, 8), format, {{"parameters", kText}});
    for (int round = 0; round < 300; ++round) {
      Bytes bytes = whole;
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
      if (round % 3 == 0) bytes.resize(random() % bytes.size());
      try {
        text_of(folder, bytes);
      } catch (const Error& error) {
        EXPECT_TRUE(error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::unsupported) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace impasto::test
