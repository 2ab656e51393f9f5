// The command's pages, arguments and errors.
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using ::impasto::test::TemporaryFolder;
using nlohmann::json;
using test::Ran;
using test::run;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Exit code 2, nothing on standard output, one line on standard error that has `part`.
void expect_refused(const std::vector<std::string>& arguments, const std::string& part, const test::Setting& setting = {}) {
  const Ran ran = run(arguments, setting);
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_TRUE(has(ran.err, part)) << ran.err << "lacks: " << part;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
}

TEST(Command, HelpPagesListEverythingWithinTheWidth) {
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> pages = {
      {{"--help"}, {"generate", "info", "convert", "schedulers", "--version"}},
      {{"generate", "--help"},
       {"--prompt",
        "--prompt-file",
        "--prompt-embeds",
        "--prompt-syntax",
        "--wildcards",
        "--batch-size",
        "--embedding",
        "--embeddings",
        "--rng",
        "--variation-seed",
        "--grid",
        "--preview",
        "--schedule",
        "--negative-prompt",
        "--steps",
        "--num-inference-steps",
        "--guidance-scale",
        "--cfg-scale",
        "--seed",
        "--width",
        "--height",
        "--num-images",
        "--scheduler",
        "--karras",
        "--eta",
        "--clip-skip",
        "--guidance-rescale",
        "--device",
        "--dtype",
        "--threads",
        "--output",
        "--quiet",
        "--json",
        "--model",
        "Prompt:",
        "Picture:",
        "Sampling:",
        "--vae",
        "--text-encoder",
        "--tokenizer",
        "--config",
        "--prediction-type",
        "Model:",
        "Machine:",
        "Output:",
        "Examples:",
        "(default 50; LCM-distilled models 4)",
        "(default 7.5;"}},
      {{"download", "--help"}, {"ORG/NAME", "--variant", "--file", "--max-workers", "--verify", "HF_HOME"}},
      {{"login", "--help"}, {"--no-check", "standard input"}},
      {{"verify", "--help"}, {"ORG/NAME", "--json"}},
      {{"info", "-h"}, {"MODEL", "--vae", "--config", "--json", "--width", "--height", "--num-images"}},
  };
  for (const auto& [arguments, parts] : pages) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.err, "");
    for (const auto& part : parts) EXPECT_TRUE(has(ran.out, part)) << part;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line) && line != "Examples:";) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST(Command, VersionIsOneLine) { EXPECT_EQ(run({"--version"}).out, "impasto 0.1.0\n"); }

TEST(Command, WithoutArgumentsShowsTheHelpAsAnError) {
  const Ran ran = run({});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, run({"--help"}).out);
}

TEST(Command, MistypedNamesGetASuggestion) {
  expect_refused({"generat"}, "did you mean generate?");
  expect_refused({"generate", "x", "--stesp", "5"}, "unknown option --stesp; did you mean --steps?");
  expect_refused({"generate", "x", "--negative=y"}, "did you mean --negative-prompt?");
  expect_refused({"info", "--wdith", "5"}, "did you mean --width?");
  expect_refused({"--verison"}, "did you mean --version?");
  expect_refused({"generate", "x", "-Z"}, "unknown option -Z");
  expect_refused({"frobnicate"}, "generate, info, convert, schedulers");
}

TEST(Command, WordsWithoutQuotesAreExplained) { expect_refused({"generate", "a", "red", "cat"}, "needs quotes"); }

TEST(Command, NumbersAreReadStrictly) {
  for (const std::string bad : {"1.5", "8x", "0x10", " 8", "eight", "1e3"}) expect_refused({"generate", "x", "--steps", bad}, "not a whole number");
  expect_refused({"generate", "x", "--steps", "2147483648"}, "out of range");
  expect_refused({"generate", "x", "--seed", "18446744073709551616"}, "out of range");
  expect_refused({"generate", "x", "--seed", "1.0"}, "not a whole number");
  expect_refused({"generate", "x", "--guidance-scale", "7,5"}, "not a number");
  expect_refused({"generate", "x", "--guidance-scale", "1e999"}, "out of range");
  expect_refused({"generate", "x", "--width", "0"}, "--width");
  expect_refused({"generate", "x", "--seed"}, "--seed needs a value");
}

TEST(Command, ModelsThatAreNotThereAreNamed) {
  expect_refused({"generate", "x", "--model", "/no/such"}, "/no/such");
  expect_refused({"info", "/no/such"}, "/no/such");
  const TemporaryFolder empty;
  expect_refused({"info", empty.path()}, "model_index.json");
}

TEST(Command, WithoutAModelSaysHowToNameOne) {
  // Tests may run in a tree that has the built-in model, which then is the answer.
  const Ran ran = run({"info"}, {.environment = {"IMPASTO_MODEL"}});
  EXPECT_TRUE(ran.code == 0 ? has(ran.out, "sketchbook") : ran.code == 2 && has(ran.err, "IMPASTO_MODEL")) << ran.err;
}

TEST(Command, TheModelOfTheEnvironmentIsUsed) {
  const Ran ran = run({"info"}, {.environment = {"IMPASTO_MODEL=" + kModel}});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, kModel));
}

TEST(Command, PromptsMustBeThereAndBeText) {
  const std::string model = "--model=" + kModel;
  expect_refused({"generate", model}, "say what to draw");
  expect_refused({"generate", model, "--prompt-file", "/no/such"}, "/no/such");
  expect_refused({"generate", model, "--prompt", "x", "--prompt-file", "y"}, "--prompt-file");
  expect_refused({"generate", model, "--prompt-file", "/dev/zero"}, "longer than 1 MiB");
  expect_refused({"generate", model, "-p", "-"}, "NUL", {.input = std::string("a\0b", 3)});
}

TEST(Command, ErrorsCannotForgeLines) {
  expect_refused({"info", "/no/\r\n\x1b[2J\u202e\nimpasto: done"}, "\\r\\n\\x1b[2J\\u202e\\nimpasto: done");
  expect_refused({"generate", "x", "--\x1b[31m"}, "--\\x1b[31m");
}

TEST(Command, ErrorsAreJsonWhenAskedFor) {
  const std::vector<std::vector<std::string>> wrong = {{"info", "/no/such\n\xff", "--json"},
                                                       {"generate", "--json", "--stesp", "1"},
                                                       {"generate", "x", "--json", "--seed", "y"},
                                                       {"generat", "--json"}};
  for (const auto& arguments : wrong) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out.find('\n'), ran.out.size() - 1) << "one line";
    const json report = json::parse(ran.out);
    EXPECT_EQ(report.at("exit_code"), 2);
    EXPECT_EQ(report.at("error").at("kind"), arguments[0] == "info" ? "not_found" : "invalid_argument");
    EXPECT_FALSE(report.at("error").at("message").get<std::string>().empty());
  }
}

TEST(Command, InfoShowsTheComponents) {
  const Ran ran = run({"info", kModel});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const std::string part : {"StableDiffusionPipeline", "PNDMScheduler", "epsilon", "96 x 96", "text_encoder", "CLIPTextModel",
                                 "UNet2DConditionModel", "AutoencoderKL", "memory"}) {
    EXPECT_TRUE(has(ran.out, part)) << part;
  }
}

TEST(Command, InfoSaysWhatAnIpAdapterIsFor) {
  const std::string folder = IMPASTO_TEST_DATA "/ip_adapters/";
  const Ran plus = run({"info", folder + "plus.safetensors"});
  ASSERT_EQ(plus.code, 0) << plus.err;
  EXPECT_NE(plus.out.find("IP-Adapter Plus"), std::string::npos);
  EXPECT_NE(plus.out.find("16 cross-attentions"), std::string::npos);
  const Ran plain = run({"info", folder + "plain.bin", "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto report = nlohmann::json::parse(plain.out);
  EXPECT_EQ(report.at("kind"), "IP-Adapter");
  EXPECT_EQ(report.at("cross_attention_dim"), 32);
  EXPECT_EQ(report.at("image_channels"), 24);
  expect_refused({"info", folder + "face.safetensors"}, "FaceID");
}

TEST(Command, InfoPredictsMoreMemoryForMorePixels) {
  const auto predicted = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"info", kModel, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json::parse(run(arguments).out).at("predicted_peak_memory");
  };
  const json own = predicted({}), large = predicted({"-W", "512", "-H", "768"}), many = predicted({"-W", "512", "-H", "768", "-b", "4"});
  EXPECT_EQ(own.at("width"), 96);
  EXPECT_EQ(large.at("height"), 768);
  EXPECT_LT(own.at("bytes"), large.at("bytes"));
  EXPECT_LT(large.at("bytes"), many.at("bytes"));
}

TEST(Command, InfoAsJsonCountsParametersAndBytes) {
  const json report = json::parse(run({"info", kModel, "--json"}).out);
  EXPECT_EQ(report.at("path"), kModel);
  std::vector<std::string> names;
  for (const auto& c : report.at("components")) {
    names.push_back(c.at("name"));
    EXPECT_GT(c.at("parameters"), 1000);
    EXPECT_GE(c.at("bytes"), c.at("parameters")) << "two or four bytes each";
    EXPECT_FALSE(c.at("dtypes").empty());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"text_encoder", "unet", "vae"}));
}

TEST(Command, BenchTellsTimesAndWorkOfStagesAndFamilies) {
  const Ran ran = run({"bench", "-m", kModel, "-W", "64", "-H", "64", "--rounds", "2", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json report = json::parse(ran.out);
  for (const char* key : {"fma_peak_gflops", "text_encode_ms", "unet_step_ms", "vae_decode_ms", "peak_rss_bytes", "threads"})
    EXPECT_GT(report.at(key), 0) << key;
  for (const char* key : {"device", "instructions"}) EXPECT_NE(report.at(key), "") << key;
  EXPECT_EQ(report.at("dtype"), "float32");
  for (const char* stage : {"text_encode", "unet_step", "vae_decode"}) {
    double gflop = 0;
    for (const auto& family : report.at("stages").at(stage).at("families")) gflop += family.at("gflop").get<double>();
    EXPECT_NEAR(report.at("stages").at(stage).at("gflop"), gflop, 1e-9) << stage;
    EXPECT_GT(gflop, 0) << stage;
  }
  EXPECT_EQ(report.at("picture_ms"), 0) << "none was asked for";
  const Ran text = run({"bench", "-m", kModel, "-W", "64", "-H", "64", "--rounds", "1", "--dtype", "bfloat16", "--steps", "2"});
  for (const char* part : {"UNet step", "Whole picture", "attention", "GFLOP/s", "bfloat16", "Peak memory"})
    EXPECT_TRUE(has(text.out, part)) << text.out;
}

TEST(Command, BenchRefusesBadArguments) {
  EXPECT_EQ(run({"bench", "-m", kModel, "--rounds", "0"}).code, 2);
  EXPECT_EQ(run({"bench", "-m", kModel, "-W", "65"}).code, 2);
  EXPECT_EQ(run({"bench", "-m", "/nowhere"}).code, 2);
  const Ran placed = run({"bench", "-m", kModel, "--device", "unet=cpu"});
  EXPECT_EQ(placed.code, 2);
  EXPECT_TRUE(has(placed.err, "unet=cpu")) << placed.err;
}

TEST(Command, SchedulersAreListed) {
  const Ran text = run({"schedulers"});
  EXPECT_EQ(text.code, 0);
  const json listed = json::parse(run({"schedulers", "--json"}).out);
  for (const auto& s : listed.at("schedulers")) {
    EXPECT_TRUE(has(text.out, s.at("short_name").get<std::string>() + " ")) << s;
    EXPECT_TRUE(has(text.out, s.at("class_name"))) << s;
  }
  EXPECT_TRUE(has(text.out, "EulerDiscreteScheduler"));
}

TEST(Command, AnOutputThatTakesNothingIsAnError) {
  const Ran ran = run({"info", kModel}, {.out_path = "/dev/full"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.err, "standard output")) << ran.err;
}

}  // namespace
}  // namespace impasto::cli
