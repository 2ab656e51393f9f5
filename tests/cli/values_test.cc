// Values of options that are empty, forgotten or no numbers.
#include <gtest/gtest.h>

#include "cli/process.h"

namespace impasto::cli {
namespace {

using test::Ran;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

/// What `impasto generate a cat more...` refuses to do.
std::string refusal(std::vector<std::string> more) {
  more.insert(more.begin(), {"generate", "a cat", "-m", kModel});
  const Ran ran = test::run(more);
  EXPECT_EQ(ran.code, 2) << ran.err;
  return ran.err;
}

void expect_in(const std::string& part, const std::string& text) { EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text; }

TEST(Values, EmptyOnesAreRefusedWhereTheyAreNoTexts) {
  for (const std::string option :
       {"--mask",    "--image",         "--from",           "--lora-dir",    "--wildcards",  "--vae",   "--text-encoder", "--tokenizer",
        "--config",  "--refiner",       "--safety-checker", "--taesd",       "--embeddings", "--model", "--scheduler",    "--schedule",
        "--variant", "--control-scale", "--control-start",  "--hires-steps", "--seed",       "--lora",  "--controlnet"})
    expect_in("error: " + option + ": the value is empty", refusal({option, ""}));
  expect_in("--image: the value is empty", refusal({"-i", ""}));
  const Ran info = test::run({"info", "--vae", "", kModel});
  EXPECT_EQ(info.code, 2);
  expect_in("--vae: the value is empty", info.err);
}

TEST(Values, AnOptionInThePlaceOfAValueIsNoValue) {
  expect_in("--lora: it needs a value, and -s is another option", refusal({"--lora", "-s", "1"}));
  expect_in("--from: it needs a value, and --steps is another option", refusal({"--from", "--steps=3"}));
}

TEST(Values, SayWhatIsExpected) {
  expect_in("--control-scale: \"abc\" is not a number", refusal({"--control-scale", "abc"}));
  expect_in("--hires-steps: \"1.5\" is not a whole number", refusal({"--hires-steps", "1.5"}));
  expect_in("--hires-steps: 100000 is out of range, allowed is 0 to 10000", refusal({"--hires-steps", "100000"}));
  for (const std::string value : {"nan", "-1", "1e38"}) expect_in(value + " is out of range, allowed is 1 to 8", refusal({"--hires-scale", value}));
  expect_in("--hires-denoising-strength: nan is out of range", refusal({"--hires-denoising-strength", "nan"}));
  expect_in("--quality: \"1.5\" is not a whole number", refusal({"--quality", "1.5"}));
  expect_in("--quality: 101 is out of range, allowed is 1 to 100", refusal({"--quality", "101"}));
  expect_in("--batch-size", refusal({"-b", "10000"}));
  expect_in("--refiner-start is nan", refusal({"--refiner", kModel, "--refiner-start", "nan"}));
}

TEST(Values, OnePromptIsOne) {
  expect_in("the prompt is \"a cat\" already", refusal({"-p", "a dog"}));
  expect_in("the prompt is \"a cat\" already", refusal({"--prompt-file", "prompts.txt"}));
}

}  // namespace
}  // namespace impasto::cli
