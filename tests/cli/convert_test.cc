// `impasto convert`, and `info` and `generate` of what it writes.
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using ::impasto::test::TemporaryFolder;
using nlohmann::json;
using test::Ran;
using test::run;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd21";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(ConvertCommand, WritesASingleFileThatInfoAndGenerateTake) {
  const TemporaryFolder folder;
  const std::string file = folder / "model.safetensors";
  const Ran converted = run({"convert", kModel, "-o", file, "--dtype", "float16", "--json"});
  EXPECT_EQ(converted.code, 0) << converted.err;
  EXPECT_EQ(json::parse(converted.out).at("format"), "safetensors");
  EXPECT_TRUE(has(converted.err, "holds no tokenizer")) << converted.err;

  const json info = json::parse(run({"info", file, "--json"}).out);
  EXPECT_EQ(info.at("format"), "safetensors");
  EXPECT_EQ(info.at("prediction_type"), "v_prediction");
  EXPECT_EQ(info.at("components").at(1).at("dtypes"), json::array({"float16"}));

  const std::vector<std::string> generate{"generate", "a red fox", "-m", file, "--steps", "1", "-s", "1", "-q", "-o", folder / "a.png"};
  const Ran without = run(generate, {.environment = {"HF_HUB_OFFLINE=1", "HF_HOME=" + (folder / "hub")}});  // or the usual one would be fetched
  EXPECT_EQ(without.code, 2);
  EXPECT_TRUE(has(without.err, "--tokenizer DIR")) << without.err;
  std::vector<std::string> with = generate;
  with.insert(with.end(), {"--tokenizer", kModel + "/tokenizer"});
  EXPECT_EQ(run(with).code, 0) << run(with).err;
  EXPECT_TRUE(std::filesystem::exists(folder / "a.png"));
}

TEST(ConvertCommand, NamesWhatIsMissingOrInTheWay) {
  const TemporaryFolder folder;
  folder.write("full/file", "x");
  const auto refused = [](const std::vector<std::string>& arguments) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    return ran.err;
  };
  EXPECT_TRUE(has(refused({"convert"}), "say what to convert"));
  EXPECT_TRUE(has(refused({"convert", kModel}), "--output"));
  EXPECT_TRUE(has(refused({"convert", kModel, "-o", folder / "full"}), "is there already"));
  EXPECT_TRUE(has(refused({"convert", kModel, "-o", folder / "a.ckpt"}), "not written"));
  EXPECT_TRUE(has(refused({"convert", folder / "none", "-o", folder / "a"}), "no such folder or file"));
  for (const char* name : {"a.sft", "a.Safetensor", ".gguf", ".safetensors"})
    EXPECT_TRUE(has(refused({"convert", kModel, "-o", folder / name}), "its ending is a file's")) << name;
  EXPECT_EQ(folder.names(), std::vector<std::string>{"full"});
}

TEST(ConvertCommand, EndingsCountInCapitalsToo) {
  const TemporaryFolder folder;
  for (const auto& [name, format] : {std::pair{"a.SAFETENSORS", "safetensors"}, {"b.GGUF", "GGUF"}}) {
    const Ran ran = run({"convert", kModel, "-o", folder / name, "--json"});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(json::parse(ran.out).at("format"), format);
    EXPECT_TRUE(std::filesystem::is_regular_file(folder / name));
  }
  ASSERT_EQ(run({"convert", kModel, "-o", folder / "sd-v1.5", "-q"}).code, 0);
  EXPECT_TRUE(std::filesystem::is_directory(folder / "sd-v1.5"));
}

TEST(ConvertCommand, ATokenizerThatAFolderNeedsIsLookedForAtTheHub) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.safetensors";
  ASSERT_EQ(run({"convert", kModel, "-o", file, "-q"}).code, 0);
  const Ran ran = run({"convert", file, "-o", folder / "b"}, {.environment = {"HF_HUB_OFFLINE=1", "HF_HOME=" + (folder / "hub")}});
  EXPECT_NE(ran.code, 0);
  EXPECT_TRUE(has(ran.err, "the usual one could not be fetched")) << ran.err;
  EXPECT_TRUE(has(ran.err, "--tokenizer DIR")) << ran.err;
  EXPECT_EQ(run({"convert", file, "-o", folder / "b", "-q", "--tokenizer", kModel + "/tokenizer"}).code, 0);
}

TEST(ModelOption, AnEmptyNameIsNotTheBuiltInModel) {
  for (const char* command : {"info", "generate"}) {
    const Ran ran = run({command, "--model", "", "--json"});
    EXPECT_EQ(ran.code, 2) << command;
    EXPECT_TRUE(has(ran.err, "the value is empty")) << ran.err;
  }
}

TEST(ConvertCommand, PathsThatCannotBeLookedAtAreNamed) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("loop", folder / "loop");
  const std::string loop = folder / "loop", endless = folder / std::string(300, 'n');
  for (const std::string& path : {loop, endless})
    for (const char* option : {"--model", "--vae", "--text-encoder", "--taesd", "--lora"}) {
      std::vector<std::string> arguments{"generate", "a", "--steps", "1", "-q", "-o", folder / "a.png"};
      if (option != std::string("--model")) arguments.insert(arguments.end(), {"--model", kModel});
      arguments.insert(arguments.end(), {option, path});
      const Ran ran = run(arguments);
      EXPECT_NE(ran.code, 0) << option;
      EXPECT_TRUE(has(ran.err, path == loop ? "symbolic links" : "File name too long")) << option << ": " << ran.err;
      EXPECT_FALSE(has(ran.err, "filesystem error")) << ran.err;
    }
}

}  // namespace
}  // namespace impasto::cli
