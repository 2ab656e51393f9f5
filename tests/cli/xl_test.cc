// `impasto generate` with Stable Diffusion XL and its refiner.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "image/png_reader.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using nlohmann::json;
using test::Ran;

const std::string kBase = IMPASTO_TEST_DATA "/checkpoints/tiny-sdxl", kRefiner = kBase + "-refiner";

class GenerateXl : public ::testing::Test {
 protected:
  Ran run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "a cat", "--model", kBase, "-s", "5", "-q", "-W", "64", "-H", "48", "--steps", "5", "-o", "cat.png"};
    all.insert(all.end(), more.begin(), more.end());
    return test::run(all, {.folder = folder_.path()});
  }
  ::impasto::test::Decoded cat() const {
    std::ifstream file(folder_ / "cat.png", std::ios::binary);
    return ::impasto::test::decode({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  std::vector<std::uint8_t> drawn(const std::vector<std::string>& more = {}) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return cat().image.pixels;
  }
  void expect_refused(const std::vector<std::string>& arguments, const std::string& part) const {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_NE(ran.err.find(part), std::string::npos) << part << " in " << ran.err;
  }
  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(GenerateXl, SecondPromptsSizesAndScoresAreDrawnAgainFromThePicture) {
  const auto plain = drawn();
  EXPECT_EQ(drawn({"--original-size", "64x48", "--crops-coords-top-left", "0,0"}), plain) << "what is taken where nothing is said";
  const auto other = drawn({"--prompt-2", "oil, on canvas", "--negative-prompt-2", "a dog", "--original-size", "32x24", "--crops-coords-top-left",
                            "8,16", "--negative-target-size", "128x96"});
  EXPECT_NE(other, plain);
  const std::string text = cat().text.at(0).value;
  EXPECT_NE(text.find("Original size: 32x24, Crop top: 8, Crop left: 16, Negative target size: 128x96"), std::string::npos) << text;
  const Ran again = test::run({"generate", "--model", kBase, "--from", "cat.png", "-q", "-o", "cat.png"}, {.folder = folder_.path()});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(cat().image.pixels, other);
}

TEST_F(GenerateXl, WildcardsAreDrawnInSecondPromptsToo) {
  folder_.write("lists/animal.txt", "cat\ndog\nhorse\nhen\n");
  ASSERT_EQ(run({"--prompt-2", "a __animal__", "--negative-prompt-2", "no __animal__", "--wildcards", "lists", "-b", "4", "-o", "w.png"}).code, 0);
  std::set<std::string> prompts;
  for (const std::string k : {"1", "2", "3", "4"}) {
    std::filesystem::rename(folder_ / ("w-" + k + ".png"), folder_ / "cat.png");
    const auto picture = cat();
    const std::string text = picture.text.at(0).value, word = text.substr(text.find("Prompt 2: "), 15);
    EXPECT_EQ(text.find('_'), std::string::npos) << text;
    prompts.insert(word);
    const Ran again = test::run({"generate", "--model", kBase, "--from", "cat.png", "-q", "-o", "cat.png"}, {.folder = folder_.path()});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(cat().image.pixels, picture.image.pixels) << k;
  }
  EXPECT_GT(prompts.size(), 1u);
}

TEST_F(GenerateXl, RefinerGoesOnAndIsRecorded) {
  const auto plain = drawn();
  const auto refined = drawn({"--refiner", kRefiner});
  EXPECT_NE(refined, plain);
  EXPECT_NE(drawn({"--refiner", kRefiner, "--refiner-start", "0.4", "--aesthetic-score", "9"}), refined);
  const std::string text = cat().text.at(0).value;
  EXPECT_NE(text.find("Refiner: tiny-sdxl-refiner, Refiner switch at: 0.4"), std::string::npos) << text;
  EXPECT_NE(drawn({"--refiner", kRefiner, "--prompt-2", "in ink", "--negative-prompt-2", "a dog"}), refined);
  drawn({"--refiner", kRefiner, "--refiner-start", "0.4", "--aesthetic-score", "9"});
  const auto last = cat().image.pixels;
  const Ran again =
      test::run({"generate", "--model", kBase, "--refiner", kRefiner, "--from", "cat.png", "-o", "cat.png"}, {.folder = folder_.path()});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.err.find("named again"), std::string::npos) << again.err;
  EXPECT_NE(test::run({"generate", "--model", kBase, "--from", "cat.png", "-q", "-o", "no.png"}, {.folder = folder_.path()}).err.find("named again"),
            std::string::npos);
  EXPECT_EQ(cat().image.pixels, last);
  const json report = json::parse(run({"--refiner", kRefiner, "--json"}).out);
  EXPECT_EQ(report.at("settings").at("refiner").at("start"), 0.8);
  EXPECT_EQ(report.at("seconds").at("steps").size(), 5u);
}

TEST_F(GenerateXl, RefinesWhatBeganAsAPicture) {
  drawn();
  std::filesystem::rename(folder_ / "cat.png", folder_ / "first.png");
  const auto plain = drawn({"--image", "first.png", "--strength", "0.8"});
  EXPECT_NE(drawn({"--image", "first.png", "--strength", "0.8", "--refiner", kRefiner, "--refiner-start", "0.6"}), plain);
}

TEST_F(GenerateXl, RefinesWhatIsUnderAMaskAndALargerPicture) {
  const auto first = drawn();
  std::filesystem::copy(folder_ / "cat.png", folder_ / "first.png");
  const std::vector<std::string> grown = {"--image", "first.png", "--extend", "right=32", "-W", "96"};
  const auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), grown.begin(), grown.end());
    return drawn(arguments);
  };
  const auto plain = with({}), refined = with({"--refiner", kRefiner, "--refiner-start", "0.5"});
  EXPECT_NE(refined, plain);
  ASSERT_EQ(refined.size(), 3u * 96 * 48);
  for (std::size_t y = 0; y < 48; ++y)
    for (std::size_t x = 0; x < 3 * 64; ++x) ASSERT_EQ(refined[y * 3 * 96 + x], first[y * 3 * 64 + x]) << "outside the mask";
  const std::string text = cat().text.at(0).value;
  EXPECT_NE(text.find("Refiner switch at: 0.5"), std::string::npos) << text;
  const auto large = drawn({"--hires-scale", "1.5"}), finished = drawn({"--hires-scale", "1.5", "--refiner", kRefiner});
  EXPECT_EQ(finished.size(), large.size());
  EXPECT_NE(finished, large);
  EXPECT_EQ(drawn({"--hires-scale", "1.5", "--refiner", kBase}), large) << "a model that goes on with itself";
}

TEST_F(GenerateXl, SettingsThatNobodyNamesAreTheModels) {
  const json text = json::parse(run({"--json"}).out).at("settings");
  EXPECT_EQ(text.at("guidance_scale"), 5.0);
  std::filesystem::copy(folder_ / "cat.png", folder_ / "first.png");
  const json image = json::parse(run({"--json", "--image", "first.png"}).out).at("settings");
  EXPECT_EQ(image.at("strength"), 0.3);
  const json masked = json::parse(run({"--json", "--image", "first.png", "--mask", "first.png"}).out).at("settings");
  EXPECT_EQ(masked.at("strength"), 0.9999);
  EXPECT_EQ(masked.at("guidance_scale"), 7.5);
  const json said = json::parse(run({"--json", "--image", "first.png", "--strength", "0.8", "--guidance-scale", "3"}).out).at("settings");
  EXPECT_EQ(said.at("strength"), 0.8);
  EXPECT_EQ(said.at("guidance_scale"), 3.0);
}

TEST_F(GenerateXl, RefusesWhatDoesNotGoTogether) {
  expect_refused({"--refiner", kRefiner, "--refiner-start", "1"}, "between 0 and 1");
  expect_refused({"--refiner", kRefiner, "--steps", "1"}, "--refiner-start");
  expect_refused({"--refiner", IMPASTO_TEST_DATA "/checkpoints/tiny-sd15"}, "does not go on");
  expect_refused({"--refiner-start", "0.5"}, "--refiner");
  expect_refused({"--refiner", kRefiner, "--hires-scale", "2", "--hires-denoising-strength", "0.1"}, "larger strength");
  expect_refused({"--refiner", "no-such-model"}, "no-such-model");
  expect_refused({"--aesthetic-score", "nan"}, "aesthetic_score is nan");
  expect_refused({"--original-size", "64"}, "1024x768");
  expect_refused({"--original-size", "0x64"}, "original_size.width");
  expect_refused({"--crops-coords-top-left", "-1,3"}, "0,64");
  expect_refused({"--model", std::string(IMPASTO_TEST_DATA "/checkpoints/tiny-sd15"), "--prompt-2", "a dog"}, "one text encoder");
}

TEST_F(GenerateXl, InfoTellsBothTextEncoders) {
  const Ran ran = test::run({"info", kBase});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* part : {"text_encoder_2", "CLIPTextModelWithProjection", "StableDiffusionXLPipeline", "96 x 96"})
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << " in " << ran.out;
}

}  // namespace
}  // namespace impasto::cli
