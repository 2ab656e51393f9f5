// `impasto generate`: contact sheets, previews, variations.
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
using Names = std::vector<std::string>;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

class GenerateExtras : public ::testing::Test {
 protected:
  /// `impasto generate "a cat" --model ... -s 5 -q -W 64 -H 48 more...` in the test's own folder.
  Ran run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "a cat", "--model", kModel, "-s", "5", "-q", "-W", "64", "-H", "48"};
    all.insert(all.end(), more.begin(), more.end());
    return test::run(all, {.folder = folder_.path()});
  }
  ::impasto::test::Decoded read(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return ::impasto::test::decode({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) const {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& part : parts) EXPECT_NE(ran.err.find(part), std::string::npos) << part << " in " << ran.err;
    EXPECT_EQ(folder_.names(), Names{});
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(GenerateExtras, GridHoldsAllPicturesAndTheFirstsSettings) {
  const Ran ran = run({"--steps", "2", "-b", "3", "--batch-size", "2", "--grid", "-o", "cat.png"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "cat-1.png\ncat-2.png\ncat-3.png\ncat-grid.png\n");
  const auto sheet = read("cat-grid.png");
  EXPECT_EQ(std::pair(sheet.image.width, sheet.image.height), std::pair(128, 96));
  EXPECT_EQ(sheet.text.at(0).value, read("cat-1.png").text.at(0).value);
  const auto third = read("cat-3.png").image.pixels;
  for (std::size_t y = 0; y < 48; ++y)
    for (std::size_t x = 0; x < 3 * 64; ++x) ASSERT_EQ(sheet.image.pixels[(48 + y) * 3 * 128 + x], third[y * 3 * 64 + x]);
  const json report = json::parse(run({"--steps", "1", "-b", "3", "--grid", "--grid-columns", "3", "--json"}).out);
  EXPECT_EQ(report.at("grid"), "impasto-5-grid.png");
  EXPECT_EQ(read("impasto-5-grid.png").image.width, 192);
}

TEST_F(GenerateExtras, AGridOfOnePictureIsNotWritten) {
  ASSERT_EQ(run({"--steps", "1", "--grid", "-o", "cat.png"}).code, 0);
  EXPECT_EQ(folder_.names(), Names{"cat.png"});
}

TEST_F(GenerateExtras, PreviewsAreWrittenAfterTheirSteps) {
  ASSERT_EQ(run({"--steps", "6", "--scheduler", "euler", "-b", "2", "--preview", "every=2", "-o", "cat.png"}).code, 0);
  EXPECT_EQ(folder_.names(), (Names{"cat-1-step-02.png", "cat-1-step-04.png", "cat-1.png", "cat-2-step-02.png", "cat-2-step-04.png", "cat-2.png"}));
  const auto preview = read("cat-2-step-04.png").image;
  EXPECT_EQ(std::pair(preview.width, preview.height), std::pair(64, 48));
  const auto linear = preview.pixels, picture = read("cat-2.png").image.pixels;
  ASSERT_EQ(run({"--steps", "6", "--scheduler", "euler", "-b", "2", "--preview", "every=4,vae", "-o", "cat.png"}).code, 0);
  EXPECT_NE(read("cat-2-step-04.png").image.pixels, linear);
  EXPECT_EQ(read("cat-2.png").image.pixels, picture) << "looking changes nothing";
  ASSERT_EQ(run({"--steps", "3", "--scheduler", "euler", "--preview", "every=2", "-o", "pics/"}).code, 2);
}

TEST_F(GenerateExtras, VariationsAreDrawnAgainFromTheirSettings) {
  ASSERT_EQ(run({"--steps", "2", "-o", "plain.png"}).code, 0);
  ASSERT_EQ(run({"--steps", "2", "--variation-strength", "0.2", "--variation-seed", "40", "-b", "3", "--batch-size", "2", "-o", "v.png"}).code, 0);
  for (const std::string k : {"1", "2", "3"}) {
    const std::string name = "v-" + k + ".png", text = read(name).text.at(0).value;
    EXPECT_NE(
        text.find("Seed: 5, Size: 64x48, Model: tiny-sd15, Variation seed: 4" + std::to_string(std::stoi(k) - 1) + ", Variation seed strength: 0.2"),
        std::string::npos)
        << text;
    EXPECT_NE(read(name).image.pixels, read("plain.png").image.pixels);
    ASSERT_EQ(run({"--from", name, "-o", "again.png"}).code, 0);
    EXPECT_EQ(read("again.png").image.pixels, read(name).image.pixels);
  }
  const json report = json::parse(run({"--steps", "1", "--variation-strength", "0.2", "--variation-seed", "40", "-b", "2", "--json"}).out);
  EXPECT_EQ(report.at("images")[1].at("variation_seed"), 41);
  EXPECT_EQ(report.at("images")[1].at("path"), "impasto-5-2.png") << "one seed, two names";
}

TEST_F(GenerateExtras, RandomNumbersOfAGpuAreDrawnAgainFromTheirSettings) {
  ASSERT_EQ(run({"--steps", "2", "-o", "cpu.png"}).code, 0);
  ASSERT_EQ(run({"--steps", "2", "--rng", "cuda", "-o", "gpu.png"}).code, 0);
  EXPECT_NE(read("gpu.png").image.pixels, read("cpu.png").image.pixels);
  EXPECT_NE(read("gpu.png").text.at(0).value.find("RNG: NV"), std::string::npos);
  ASSERT_EQ(run({"--from", "gpu.png", "-o", "again.png"}).code, 0);
  EXPECT_EQ(read("again.png").image.pixels, read("gpu.png").image.pixels);
  EXPECT_EQ(json::parse(run({"--steps", "1", "--rng", "cuda", "--json"}).out).at("settings").at("rng"), "cuda");
}

TEST_F(GenerateExtras, JpegAndWebpAreDrawnAgainFromTheirSettings) {
  ASSERT_EQ(run({"--steps", "2", "-o", "plain.png"}).code, 0);
  for (const std::vector<std::string>& how : {std::vector<std::string>{"cat.jpg", "--quality", "30"}, {"cat.webp"}, {"whole.webp", "--lossless"}}) {
    std::vector<std::string> draw = {"--steps", "2", "-o"};
    draw.insert(draw.end(), how.begin(), how.end());
    const Ran ran = run(draw);
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Ran shown = test::run({"metadata", how[0], "--json"}, {.folder = folder_.path()});
    EXPECT_EQ(json::parse(shown.out).at("settings").at("Seed"), "5") << shown.err;
    ASSERT_EQ(test::run({"generate", "--from", how[0], "--model", kModel, "-q", "-o", "again.png"}, {.folder = folder_.path()}).code, 0);
    EXPECT_EQ(read("again.png").image.pixels, read("plain.png").image.pixels);
  }
}

TEST_F(GenerateExtras, HiresFixIsDrawnAgainFromItsSettings) {
  const Ran ran = run({"--steps", "2", "--hires-scale", "1.5", "--hires-upscaler", "lanczos", "--hires-steps", "1", "--hires-denoising-strength",
                       "0.5", "--json", "-o", "large.png"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(json::parse(ran.out).at("settings").at("hires").at("upscaler"), "lanczos");
  const auto large = read("large.png");
  EXPECT_EQ(std::pair(large.image.width, large.image.height), std::pair(96, 72));
  EXPECT_NE(large.text.at(0).value.find("Size: 64x48, "), std::string::npos) << large.text.at(0).value;
  ASSERT_EQ(test::run({"generate", "--from", "large.png", "--model", kModel, "-q", "-o", "again.png"}, {.folder = folder_.path()}).code, 0);
  EXPECT_EQ(read("again.png").image.pixels, large.image.pixels);
  ASSERT_EQ(run({"--steps", "1", "--hires", "-o", "default.png"}).code, 0);
  EXPECT_EQ(read("default.png").image.width, 128);
}

TEST_F(GenerateExtras, AControlNetsSettingsAreTakenFromThePicture) {
  ASSERT_EQ(run({"--steps", "2", "-o", "edges.png"}).code, 0);
  const std::vector<std::string> control = {"--controlnet", IMPASTO_TEST_DATA "/adapters/controlnet", "--control-image", "edges.png"};
  std::vector<std::string> draw = {"--steps", "2", "--control-scale", "0.4", "--guess-mode", "-o", "led.png"};
  draw.insert(draw.end(), control.begin(), control.end());
  const Ran ran = run(draw);
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::vector<std::string> again = {"generate", "--from", "led.png", "--model", kModel, "-q", "-o", "again.png"};
  again.insert(again.end(), control.begin(), control.end());
  const Ran second = test::run(again, {.folder = folder_.path()});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.err, "");
  EXPECT_EQ(read("again.png").image.pixels, read("led.png").image.pixels);
}

TEST_F(GenerateExtras, ATaesdMakesPreviewsOrThePicture) {
  const std::string tiny = IMPASTO_TEST_DATA "/tiny_vae";
  ASSERT_EQ(run({"--steps", "3", "--scheduler", "euler", "--preview", "every=2,tiny", "--taesd", tiny, "-o", "cat.png"}).code, 0);
  EXPECT_EQ(read("cat-step-02.png").image.width, 64);
  ASSERT_EQ(run({"--steps", "3", "--scheduler", "euler", "--vae", tiny, "-o", "rough.png"}).code, 0);
  EXPECT_NE(read("rough.png").image.pixels, read("cat.png").image.pixels);
}

TEST_F(GenerateExtras, ReportsWhatTheSafetyCheckerSays) {
  const Ran ran =
      run({"--steps", "1", "-b", "6", "--safety", "flag", "--safety-checker", IMPASTO_TEST_DATA "/safety_checker", "--json", "-o", "cat.png"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json images = json::parse(ran.out).at("images");
  ASSERT_EQ(images.size(), 6u);
  int flagged = 0, told = 0;
  for (const json& image : images) flagged += image.at("flagged").get<bool>() ? 1 : 0;
  for (std::size_t at = 0; (at = ran.err.find("was flagged by the model's safety checker", at)) != std::string::npos; ++at) ++told;
  EXPECT_EQ(told, flagged);
  EXPECT_TRUE(flagged > 0 && flagged < 6) << flagged << ": there should be some of both";
  EXPECT_FALSE(json::parse(run({"--steps", "1", "--json", "-o", "dog.png"}).out).at("images").at(0).contains("flagged"));
}

TEST_F(GenerateExtras, RefusesWhatCannotBe) {
  expect_refused({"--quality", "0", "-o", "a.jpg"}, {"--quality"});
  expect_refused({"-o", "a.gif"}, {".webp"});
  expect_refused({"--safety", "strict"}, {"--safety", "black"});
  expect_refused({"--safety", "black"}, {"no safety checker", "--safety-checker"});
  expect_refused({"--safety", "flag", "--safety-checker", "no-such-folder"}, {"no-such-folder"});
  expect_refused({"--hires-upscaler", "esrgan"}, {"--hires-upscaler", "lanczos"});
  expect_refused({"--hires-scale", "0.5"}, {"--hires-scale", "1 to 8"});
  expect_refused({"--hires-scale", "x"}, {"--hires-scale"});
  expect_refused({"--hires-denoising-strength", "0"}, {"--hires-denoising-strength", "above 0"});
  expect_refused({"--guess-mode"}, {"--controlnet"});
  expect_refused({"--preview", "every=2,tiny"}, {"--taesd"});
  expect_refused({"--image-guidance-scale", "2"}, {"--image"});
  expect_refused({"--rng", "tpu"}, {"--rng", "tpu", "cpu, cuda"});
  expect_refused({"--variation-seed", "3"}, {"--variation-strength"});
  expect_refused({"--variation-strength", "2"}, {"variation_strength"});
  for (const std::string text : {"5", "every=0", "every=x", "every=5,rough", "every=", "every=-1"})
    expect_refused({"--preview", text}, {"--preview", "every=5"});
  expect_refused({"--grid-columns", "2"}, {"--grid"});
  expect_refused({"--grid", "--grid-columns", "-2", "-b", "2"}, {"--grid-columns"});
  expect_refused({"--grid", "-b", "2", "-o", "/dev/null"}, {"--grid", "--output"});
}

}  // namespace
}  // namespace impasto::cli
