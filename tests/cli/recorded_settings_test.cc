// `impasto generate --from`: what the command line says beside a picture's settings, and what those do not bring back.
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "cli/process.h"
#include "image/png_reader.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using test::Ran;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";
const std::string kPicture = IMPASTO_TEST_DATA "/pictures/rgb.png", kMask = IMPASTO_TEST_DATA "/pictures/grey.png";

class RecordedSettings : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> more) const {
    more.insert(more.begin(), {"generate", "-m", kModel, "-q"});
    return test::run(more, {.folder = folder_.path()});
  }
  ::impasto::test::Decoded read(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return ::impasto::test::decode({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  /// Draws first.png, then again.png from it; returns what that warned of.
  std::string again(const std::vector<std::string>& first, std::vector<std::string> beside) const {
    std::vector<std::string> draw = {"-p", "a cat", "-s", "5", "--steps", "4", "-o", "first.png"};
    draw.insert(draw.end(), first.begin(), first.end());
    const Ran drawn = run(draw);
    EXPECT_EQ(drawn.code, 0) << drawn.err;
    beside.insert(beside.begin(), {"--from", "first.png", "-o", "again.png"});
    const Ran ran = run(beside);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.err;
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(RecordedSettings, AScheduleInASchedulersNameWins) {
  again({"--scheduler", "euler"}, {"--scheduler", "Euler Karras"});
  EXPECT_NE(read("again.png").text.at(0).value.find("Schedule type: Karras"), std::string::npos);
  again({"--scheduler", "dpm++_2m", "--karras"}, {"--scheduler", "euler"});
  EXPECT_NE(read("again.png").text.at(0).value.find("Sampler: Euler, Schedule type: Karras"), std::string::npos) << "of a name that says none";
  again({"--scheduler", "euler"}, {"--schedule", "exponential", "--scheduler", "Euler Karras"});
  EXPECT_NE(read("again.png").text.at(0).value.find("Schedule type: Exponential"), std::string::npos);
}

TEST_F(RecordedSettings, PicturesAndMasksHaveToBeNamedAgain) {
  const std::vector<std::string> masked = {"--image", kPicture, "--mask", kMask, "--no-keep-unmasked"};
  EXPECT_NE(again(masked, {}).find("drawn from a picture, under a mask"), std::string::npos);
  EXPECT_NE(again(masked, {"--image", kPicture}).find("painted under a mask"), std::string::npos);
  EXPECT_EQ(again(masked, {"--image", kPicture, "--mask", kMask}), "");
  EXPECT_EQ(read("again.png").image.pixels, read("first.png").image.pixels);
  const std::vector<std::string> started = {"--image", kPicture, "--strength", "0.7"};
  EXPECT_NE(again(started, {}).find("drawn from a picture"), std::string::npos);
  EXPECT_EQ(again(started, {"--image", kPicture}), "");
  EXPECT_EQ(again({"--hires-scale", "1.5"}, {}), "");
}

TEST_F(RecordedSettings, AnotherModelIsTold) {
  const std::string warned = again({}, {"-m", IMPASTO_TEST_DATA "/checkpoints/tiny-sd21"});
  EXPECT_NE(warned.find("tiny-sd15, and tiny-sd21 is used now"), std::string::npos) << warned;
  EXPECT_EQ(again({}, {}), "");
}

TEST_F(RecordedSettings, NoiseOnTheWayIsBroughtBack) {
  for (const std::string scheduler : {"ddim", "tcd"}) {
    EXPECT_EQ(again({"--scheduler", scheduler, "--eta", "0.5"}, {}), "");
    EXPECT_EQ(read("again.png").image.pixels, read("first.png").image.pixels) << scheduler;
  }
}

TEST_F(RecordedSettings, AVariationCanBeTakenBack) {
  EXPECT_EQ(again({"--variation-strength", "0.3", "--variation-seed", "9"}, {"--variation-strength", "0"}), "");
  EXPECT_EQ(read("again.png").text.at(0).value.find("Variation"), std::string::npos);
}

TEST_F(RecordedSettings, AnEmptyTextIsNone) {
  write_png(folder_ / "blank.png", Image{8, 8, std::vector<std::uint8_t>(3 * 64)}, {{"parameters", " \n"}});
  const Ran ran = run({"--from", "blank.png"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("carries no settings"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace impasto::cli
