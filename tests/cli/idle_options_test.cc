// Options of `impasto generate` that do nothing: refused, or told.
#include <filesystem>

#include <gtest/gtest.h>

#include "cli/process.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using test::Ran;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";
const std::string kPicture = IMPASTO_TEST_DATA "/pictures/rgb.png";

class IdleOptions : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> more) const {
    more.insert(more.begin(), {"generate", "a cat", "-m", kModel, "-s", "5", "--steps", "2", "-q", "-o", "out.png"});
    return test::run(more, {.folder = folder_.path()});
  }
  void expect_warned(const std::vector<std::string>& more, const std::string& part) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_NE(ran.err.find("warning: " + part), std::string::npos) << part << " in " << ran.err;
  }
  void expect_refused(const std::vector<std::string>& more, const std::string& part) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_NE(ran.err.find(part), std::string::npos) << part << " in " << ran.err;
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(IdleOptions, NegativePromptOfADistilledModelIsTold) {
  const ::impasto::test::TemporaryFolder model;
  std::filesystem::copy(kModel, model / "m", std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(model / "m/unet");
  std::filesystem::copy(IMPASTO_TEST_DATA "/told_unet", model / "m/unet");
  expect_warned({"-m", model / "m", "--scheduler", "lcm", "-n", "grey"}, "the negative prompt has no effect");
  EXPECT_EQ(run({"-m", model / "m", "--scheduler", "lcm"}).err.find("negative"), std::string::npos);
}

TEST_F(IdleOptions, OfOtherModelsAndSchedulersAreTold) {
  expect_warned({"--image", kPicture, "--strength", "0.9", "--image-guidance-scale", "2"}, "--image-guidance-scale: without effect");
  expect_warned({"--scheduler", "euler", "--eta", "0.9"}, "--eta: without effect; for ddim and tcd alone, and the scheduler is euler");
  expect_warned({"--original-size", "64x64", "--crops-coords-top-left", "0,0"}, "--original-size, --crops-coords-top-left: without effect");
  expect_warned({"-m", IMPASTO_TEST_DATA "/checkpoints/tiny-sdxl", "--aesthetic-score", "5"}, "--aesthetic-score: without effect");
  for (const std::string scheduler : {"ddim", "tcd"}) EXPECT_EQ(run({"--scheduler", scheduler, "--eta", "0.9"}).err, "");
}

TEST_F(IdleOptions, OfOtherPictureFormatsAreTold) {
  expect_warned({"--quality", "50"}, "--quality: without effect; PNG");
  expect_warned({"--lossless", "-o", "out.jpg"}, "--lossless: without effect; for WebP alone");
  EXPECT_EQ(run({"--lossless", "-o", "out.webp"}).err, "");
}

TEST_F(IdleOptions, WordsAndTagsThatNothingReadsAreTold) {
  const std::string file = IMPASTO_TEST_DATA "/embeddings/inkwash.safetensors";
  expect_warned({"--embedding", file}, "--embedding " + file + ": its word, \"inkwash\", is in no prompt");
  EXPECT_EQ(run({"--embedding", file, "-n", "InkWash"}).err, "");
  expect_warned({"-n", "a <lora:ink:1>"}, "--negative-prompt: <lora:...> is text there");
}

TEST_F(IdleOptions, WithoutTheOneThatTheyAreAboutAreRefused) {
  expect_refused({"--safety-checker", IMPASTO_TEST_DATA "/safety_checker"}, "--safety-checker needs --safety");
  expect_refused({"--image", kPicture, "--mask", kPicture, "--inpaint-padding", "4"}, "--inpaint-padding needs --inpaint-area masked");
  const Ran spread = test::run({"generate", "a cat", "-m", kModel, "--scheduler", "euler", "--sigmas", "9,3,0", "--karras"});
  EXPECT_EQ(spread.code, 2);
  EXPECT_NE(spread.err.find("do not go with sigmas that are spread (karras)"), std::string::npos) << spread.err;
}

TEST_F(IdleOptions, ASafetyCheckerThatIsNotRunNeedsNoWeights) {
  namespace fs = std::filesystem;
  fs::copy(kModel, folder_ / "model", fs::copy_options::recursive);
  folder_.write("model/safety_checker/config.json", "{\"_class_name\": \"StableDiffusionSafetyChecker\"}");
  folder_.write("model/model_index.json", R"({"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "PNDMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]})");
  EXPECT_EQ(run({"-m", "model"}).code, 0);
  expect_refused({"-m", "model", "--safety", "black"}, "safety checker is not here");
}

}  // namespace
}  // namespace impasto::cli
