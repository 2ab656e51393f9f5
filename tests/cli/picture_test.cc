// `impasto generate` with pictures: picture to picture, inpainting, outpainting, and what is refused.
#include <array>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "image/png_reader.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using nlohmann::json;
using test::Ran;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";
const std::string kPictures = IMPASTO_TEST_DATA "/pictures/";

class GenerateFromPicture : public ::testing::Test {
 protected:
  void SetUp() override {
    Image image{48, 40, {}}, mask{48, 40, {}};
    for (int i = 0; i < 48 * 40; ++i) {
      for (const int value : {i, i / 48 * 6, 7 * i}) image.pixels.push_back(static_cast<std::uint8_t>(value));
      mask.pixels.insert(mask.pixels.end(), 3, i % 48 < 30 ? std::uint8_t{0} : std::uint8_t{255});
    }
    write_png(folder_ / "in.png", image);
    write_png(folder_ / "mask.png", mask);
    write_png(folder_ / "black.png", Image{48, 40, std::vector<std::uint8_t>(3 * 48 * 40)});
  }
  /// `impasto generate a cat --model ... --steps 4 -s 5 -q -o out.png more...` in the test's own folder.
  Ran run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "a cat", "--model", kModel, "--steps", "4", "-s", "5", "-q", "-o", "out.png"};
    all.insert(all.end(), more.begin(), more.end());
    return test::run(all, {.folder = folder_.path()});
  }
  ::impasto::test::Decoded drawn(const std::string& name = "out.png") const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return ::impasto::test::decode({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  std::string text() const { return drawn().text.at(0).value; }
  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) const {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& part : parts) EXPECT_NE(ran.err.find(part), std::string::npos) << part << " in " << ran.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.png"));
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(GenerateFromPicture, DrawsFromAPictureAtItsSize) {
  const Ran ran = run({"--image", "in.png", "--strength", "0.75"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(std::pair(drawn().image.width, drawn().image.height), std::pair(48, 40));
  EXPECT_NE(text().find("Size: 48x40, Model: tiny-sd15, Denoising strength: 0.75, RNG: CPU"), std::string::npos) << text();
}

TEST_F(GenerateFromPicture, ReadsJpegAndWebpAndOneSideIsEnough) {
  for (const std::string name : {"rgb.jpg", "turned.webp", "grey.png"}) {
    EXPECT_EQ(run({"-i", kPictures + name, "-W", "64"}).code, 0) << name;
    EXPECT_EQ(drawn().image.width, 64) << name;
    EXPECT_EQ(drawn().image.height, name == "turned.webp" ? 88 : 48) << name;  // 29 x 21 pixels, turned or not
  }
}

TEST_F(GenerateFromPicture, AMaskKeepsTheRest) {
  const Ran ran = run({"--image", "in.png", "--mask", "mask.png", "--mask-blur", "2", "--inpaint-area", "masked", "--inpaint-padding", "4"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto before = drawn("in.png").image.pixels, after = drawn().image.pixels;
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) ASSERT_TRUE(i / 3 % 48 >= 30 || before[i] == after[i]) << i;
  EXPECT_NE(before, after);
  EXPECT_NE(
      text().find(
          "Denoising strength: 1, RNG: CPU, Mask mode: Inpaint masked, Mask blur: 2, Inpaint area: Only masked, Masked area padding: 4, Version"),
      std::string::npos)
      << text();
}

TEST_F(GenerateFromPicture, TheRawResultIsOneOptionAway) {
  ASSERT_EQ(run({"--image", "in.png", "--mask", "mask.png", "--no-keep-unmasked"}).code, 0);
  EXPECT_NE(drawn("in.png").image.pixels[0], drawn().image.pixels[0]);
}

TEST_F(GenerateFromPicture, ExtendOutpaints) {
  ASSERT_EQ(run({"--image", "in.png", "--extend", "left=16,bottom=8"}).code, 0);
  const auto image = drawn().image;
  EXPECT_EQ(std::pair(image.width, image.height), std::pair(64, 48));
  EXPECT_TRUE(std::equal(&image.pixels[3 * 16], &image.pixels[3 * 64], drawn("in.png").image.pixels.begin()));
  ASSERT_EQ(run({"--image", "in.png", "--extend", "all=8"}).code, 0);
  EXPECT_EQ(drawn().image.width, 64);
}

TEST_F(GenerateFromPicture, AMaskOfAnotherSizeIsAWarning) {
  write_png(folder_ / "small.png", Image{6, 5, std::vector<std::uint8_t>(90, 255)});
  const Ran ran = run({"--image", "in.png", "--mask", "small.png"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.err.find("warning: mask_image is 6 x 5 pixels and image 48 x 40"), std::string::npos) << ran.err;
}

TEST_F(GenerateFromPicture, JsonHoldsTheTask) {
  const json settings = json::parse(run({"--image", "in.png", "--mask", "mask.png", "--strength", "0.7", "--json"}).out).at("settings");
  EXPECT_EQ(settings.at("image"), "in.png");
  EXPECT_EQ(settings.at("mask"), "mask.png");
  EXPECT_EQ(settings.at("strength"), 0.7);
  EXPECT_EQ(settings.at("inpaint_area"), "whole");
  EXPECT_EQ(settings.at("keep_unmasked"), true);
}

TEST_F(GenerateFromPicture, TellsWhereItStartsFrom) {
  const Ran ran = test::run({"generate", "x", "--model", kModel, "--steps", "4", "-i", "in.png", "--mask", "mask.png", "--strength", "0.5"},
                            {.folder = folder_.path()});
  EXPECT_NE(ran.err.find("from in.png (48 x 40) where mask.png is white, strength 0.5"), std::string::npos) << ran.err;
}

TEST_F(GenerateFromPicture, RefusesWhatMakesNoSense) {
  expect_refused({"--mask", "mask.png"}, {"--mask needs --image"});
  expect_refused({"--extend", "left=8"}, {"--extend needs --image"});
  expect_refused({"--strength", "0.5"}, {"--strength needs --image"});
  expect_refused({"--image", "in.png", "--mask-blur", "4"}, {"--mask-blur needs --mask"});
  expect_refused({"--image", "in.png", "--inpaint-area", "masked"}, {"--inpaint-area needs --mask"});
  for (const std::string strength : {"0", "-0.5", "1.5", "nan"})
    expect_refused({"--image", "in.png", "--strength", strength}, {"strength", "above 0 and up to 1"});
  expect_refused({"--image", "in.png", "--strength", "much"}, {"--strength", "\"much\" is not a number"});
  expect_refused({"--image", "in.png", "--strength", "0.2"}, {"strength 0.2", "less than one step"});
  expect_refused({"--image", "in.png", "--mask", "black.png"}, {"black all over"});
  expect_refused({"--image", "in.png", "--mask", "mask.png", "--inpaint-area", "half"}, {"--inpaint-area", "\"half\"", "whole, masked"});
  for (const std::string sides : {"middle=8", "left", "left=x", "left=-8", "left=0", "=8", ","})
    expect_refused({"--image", "in.png", "--extend", sides}, {"--extend", "left=128"});
}

TEST_F(GenerateFromPicture, RefusesFilesThatAreNoPictures) {
  folder_.write("letter.png", "Dear Sir or Madam");
  folder_.write("dance.gif", "GIF89a...");
  folder_.write("cut.png", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
  expect_refused({"--image", "none.png"}, {"none.png", "no such file"});
  expect_refused({"--image", "letter.png"}, {"letter.png", "not a picture"});
  expect_refused({"--image", "dance.gif"}, {"dance.gif", "GIF"});
  expect_refused({"--image", "cut.png"}, {"cut.png", "ends early"});
  expect_refused({"--image", "in.png", "--mask", "letter.png"}, {"letter.png"});
}

TEST_F(GenerateFromPicture, FromDrawsAPictureAgain) {
  const std::vector<std::string> first = {"generate",    "a cat\nat night: \u732b",
                                          "-n",          "dogs, blur",
                                          "--model",     kModel,
                                          "--steps",     "3",
                                          "-s",          "99",
                                          "-q",          "-o",
                                          "first.png",   "--scheduler",
                                          "dpm++_2m",    "--karras",
                                          "--cfg-scale", "3.3",
                                          "-W",          "64",
                                          "-H",          "40",
                                          "--clip-skip", "1"};
  ASSERT_EQ(test::run(first, {.folder = folder_.path()}).code, 0);
  const Ran ran = test::run({"generate", "--from", "first.png", "--model", kModel, "-q", "-o", "out.png"}, {.folder = folder_.path()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(drawn().image.pixels, drawn("first.png").image.pixels);
  EXPECT_EQ(text(), drawn("first.png").text.at(0).value);
  // What the command line says wins, wherever it stands.
  ASSERT_EQ(
      test::run({"generate", "-s", "7", "--from", "first.png", "--model", kModel, "-q", "-o", "out.png", "-W", "48"}, {.folder = folder_.path()})
          .code,
      0);
  EXPECT_NE(text().find("CFG scale: 3.3, Seed: 7, Size: 48x40"), std::string::npos) << text();
}

TEST_F(GenerateFromPicture, FromBringsBackAPathOfOnesOwnUnlessStepsAreGiven) {
  const auto draw = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"generate", "--model", kModel, "-q"});
    const Ran ran = test::run(more, {.folder = folder_.path()});
    EXPECT_EQ(ran.code, 0) << ran.err;
  };
  draw({"-p", "x", "-s", "3", "--scheduler", "euler", "--sigmas", "9, 2,0", "-o", "first.png"});
  draw({"--from", "first.png", "-o", "out.png"});
  EXPECT_EQ(drawn().image.pixels, drawn("first.png").image.pixels);
  EXPECT_NE(text().find("Steps: 2, "), std::string::npos) << text();
  EXPECT_NE(text().find("Sigmas: \"9, 2, 0\""), std::string::npos) << text();
  draw({"--from", "first.png", "--timesteps", "900,500,20", "-o", "out.png"});
  EXPECT_NE(text().find("Timesteps: \"900, 500, 20\""), std::string::npos) << text();
  EXPECT_EQ(text().find("Sigmas"), std::string::npos) << text();
  draw({"--from", "first.png", "--steps", "4", "-o", "out.png"});
  EXPECT_NE(text().find("Steps: 4, "), std::string::npos) << text();
  EXPECT_EQ(text().find("Sigmas"), std::string::npos) << text();
}

TEST_F(GenerateFromPicture, PathsOfOnesOwnAreRefusedByName) {
  for (const auto& [option, value, words] : std::vector<std::array<std::string, 3>>{{"--timesteps", "900,x", "is not a number"},
                                                                                    {"--timesteps", "1,900", "go down"},
                                                                                    {"--sigmas", "3", "has to follow"},
                                                                                    {"--sigmas", ",", "is not a number"}}) {
    const Ran ran =
        test::run({"generate", "--model", kModel, "-p", "x", "--scheduler", "euler", option, value, "-o", "out.png"}, {.folder = folder_.path()});
    EXPECT_EQ(ran.code, 2) << option << " " << value;
    EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
  }
  const Ran both = test::run({"generate", "--model", kModel, "-p", "x", "--steps", "3", "--timesteps", "9,1"}, {.folder = folder_.path()});
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("--steps"), std::string::npos) << both.err;
}

TEST_F(GenerateFromPicture, FromBringsBackAnInpaintingAtThePicturesSize) {
  const std::vector<std::string> pictures = {"--image", kPictures + "rgb.png", "--mask", kPictures + "grey.png"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), pictures.begin(), pictures.end());
    return more;
  };
  ASSERT_EQ(run(with({"--strength", "0.6", "--mask-blur", "1", "-o", "first.png"})).code, 0);
  const Ran ran = test::run(with({"generate", "--from", "first.png", "--model", kModel, "-q", "-o", "out.png"}), {.folder = folder_.path()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(drawn().image.width, 29);
  EXPECT_EQ(drawn().image.pixels, drawn("first.png").image.pixels);
}

TEST_F(GenerateFromPicture, FromNeedsSettings) {
  expect_refused({"--from", "in.png"}, {"in.png", "no settings"});
  expect_refused({"--from", "none.png"}, {"none.png", "no such file"});
}

TEST_F(GenerateFromPicture, MetadataShowsWhatAPictureCarries) {
  ASSERT_EQ(run({}).code, 0);
  const Ran ran = test::run({"metadata", "out.png"}, {.folder = folder_.path()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, text() + "\n");
  const json report = json::parse(test::run({"metadata", "--json", "out.png"}, {.folder = folder_.path()}).out);
  EXPECT_EQ(report.at("prompt"), "a cat");
  EXPECT_EQ(report.at("settings").at("Steps"), "4");
  EXPECT_EQ(report.at("text").at("parameters"), text());
  EXPECT_EQ(test::run({"metadata", "in.png"}, {.folder = folder_.path()}).code, 2);
}

TEST_F(GenerateFromPicture, AnInpaintingModelAsksForAMask) {
  const Ran ran = test::run({"generate", "x", "--model", IMPASTO_TEST_DATA "/checkpoints/tiny-inpaint", "-q"}, {.folder = folder_.path()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("inpainting model"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace impasto::cli
