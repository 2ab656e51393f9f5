// `impasto generate`: how prompts are read.
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

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

class GenerateFromPrompt : public ::testing::Test {
 protected:
  /// `impasto generate --model ... --steps 2 -s 5 -q -o out.png more...` in the test's own folder.
  Ran run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "--model", kModel, "--steps", "2", "-s", "5", "-q", "-o", "out.png"};
    all.insert(all.end(), more.begin(), more.end());
    return test::run(all, {.folder = folder_.path()});
  }
  ::impasto::test::Decoded drawn(const std::string& name = "out.png") const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return ::impasto::test::decode({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  }
  std::vector<std::uint8_t> pixels(const std::vector<std::string>& more) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return drawn().image.pixels;
  }
  std::string text(const std::string& name = "out.png") const { return drawn(name).text.at(0).value; }
  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) const {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    for (const std::string& part : parts) EXPECT_NE(ran.err.find(part), std::string::npos) << part << " in " << ran.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.png"));
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(GenerateFromPrompt, SyntaxDecidesWhatBracketsMean) {
  const std::vector<std::string> weighted = {"-p", "a (cat:1.4)"};
  const auto with = [&](const std::string& syntax) {
    auto all = weighted;
    all.insert(all.end(), {"--prompt-syntax", syntax});
    return pixels(all);
  };
  const auto plain = pixels(weighted);
  EXPECT_EQ(text().find("Prompt syntax"), std::string::npos);
  EXPECT_EQ(with("plain"), plain);
  const auto a1111 = with("a1111"), comfyui = with("comfyui");
  EXPECT_NE(text().find("Prompt syntax: comfyui"), std::string::npos) << text();
  EXPECT_NE(a1111, plain);
  EXPECT_NE(comfyui, plain);
  EXPECT_NE(comfyui, a1111);
}

TEST_F(GenerateFromPrompt, FromBringsTheSyntaxBack) {
  std::string prompt = "a (cat:1.4)";
  for (int i = 0; i < 40; ++i) prompt += ", two dogs";
  const auto pixels_before = pixels({"-p", prompt, "--prompt-syntax", "a1111", "-n", "[fog]"});
  ASSERT_EQ(run({"--from", "out.png", "-o", "again.png"}).code, 0);
  EXPECT_EQ(drawn("again.png").image.pixels, pixels_before);
  EXPECT_EQ(text("again.png"), text());
}

TEST_F(GenerateFromPrompt, LongPromptsLoseNothingButInPlainSyntax) {
  std::string prompt;
  for (int i = 0; i < 100; ++i) prompt += "cat ";
  EXPECT_NE(run({"-p", prompt}).err.find("prompt_syntax a1111"), std::string::npos) << "says what would read it";
  EXPECT_EQ(run({"-p", prompt, "--prompt-syntax", "a1111"}).err, "");
  EXPECT_EQ(run({"-p", prompt, "--prompt-syntax", "comfyui"}).err, "");
}

TEST_F(GenerateFromPrompt, JsonTellsTheSyntax) {
  const Ran ran = run({"-p", "a", "--prompt-syntax", "a1111", "--json"});
  EXPECT_EQ(json::parse(ran.out).at("settings").at("prompt_syntax"), "a1111");
}

TEST_F(GenerateFromPrompt, RefusesWhatIsNoSyntaxAndWhatASyntaxCannotRead) {
  expect_refused({"-p", "a", "--scheduler", "DPM++ 2S a"}, {"DPM++ 2S a", "dpm++_2s"});
  expect_refused({"-p", "a", "--schedule", "KL Optimal"}, {"KL Optimal", "karras"});
  expect_refused({"-p", "a", "--prompt-syntax", "A1111x"}, {"--prompt-syntax", "A1111x", "plain, a1111 and comfyui", "--help"});
  expect_refused({"-p", "(a:1e5)", "--prompt-syntax", "comfyui"}, {"weight", "100000", "1000"});
  expect_refused({"-p", std::string(200, '('), "--prompt-syntax", "a1111"}, {"100 deep"});
}

TEST_F(GenerateFromPrompt, SamplersMayHaveTheNamesOfOtherPrograms) {
  const auto drawn_by = pixels({"-p", "a cat", "--scheduler", "dpm++_2m", "--karras"});
  for (const std::vector<std::string>& names : {std::vector<std::string>{"--scheduler", "DPM++ 2M Karras"},
                                                {"--sampling-method", "dpmpp_2m", "--schedule", "Karras"},
                                                {"--scheduler", "DPM++ 2M Exponential", "--schedule", "karras"}}) {
    auto all = names;
    all.insert(all.end(), {"-p", "a cat"});
    EXPECT_EQ(pixels(all), drawn_by) << names[1];
    EXPECT_NE(text().find("Sampler: DPM++ 2M, Schedule type: Karras"), std::string::npos) << text();
  }
  ASSERT_EQ(run({"--from", "out.png", "-o", "again.png"}).code, 0);
  EXPECT_EQ(drawn("again.png").image.pixels, drawn_by);
  EXPECT_NE(pixels({"-p", "a cat", "--scheduler", "DPM++ 2M Karras", "--no-karras"}), drawn_by);
}

TEST_F(GenerateFromPrompt, EachLineOfAFileIsDrawnAsIfAlone) {
  folder_.write("prompts.txt", "a cat\r\n\n   two dogs  \n");
  const Ran ran = run({"--prompt-file", "prompts.txt", "-b", "2", "-o", "p.png", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json report = json::parse(ran.out);
  ASSERT_EQ(report.at("images").size(), 4u);
  EXPECT_TRUE(report.at("settings").at("prompt").is_null());
  EXPECT_EQ(report.at("settings").at("num_images"), 2);
  for (std::size_t k = 0; k < 4; ++k) {
    const std::string prompt = k < 2 ? "a cat" : "two dogs", name = "p-" + std::to_string(k + 1) + ".png";
    EXPECT_EQ(report.at("images")[k], (json{{"path", name}, {"seed", 5 + k}, {"prompt", prompt}}));
    ASSERT_EQ(run({"-p", prompt, "-s", std::to_string(5 + k)}).code, 0);
    EXPECT_EQ(drawn(name).image.pixels, drawn().image.pixels) << name;
    EXPECT_EQ(text(name), text());
  }
}

TEST_F(GenerateFromPrompt, BatchesOfAnySizeGiveTheSamePictures) {
  folder_.write("prompts.txt", "a cat\ntwo dogs\na hill");
  ASSERT_EQ(run({"--prompt-file", "prompts.txt", "-b", "2", "-o", "all.png"}).code, 0);
  ASSERT_EQ(run({"--prompt-file", "prompts.txt", "-b", "2", "-o", "few.png", "--batch-size", "4"}).code, 0);
  for (const std::string k : {"1", "2", "3", "4", "5", "6"}) {
    EXPECT_EQ(drawn("few-" + k + ".png").image.pixels, drawn("all-" + k + ".png").image.pixels) << k;
    EXPECT_EQ(text("few-" + k + ".png"), text("all-" + k + ".png"));
  }
}

TEST_F(GenerateFromPrompt, WildcardsAreDrawnByThePicturesSeed) {
  folder_.write("lists/animal.txt", "cat\ndog\nhorse\nhen\n");
  const Ran ran = run({"-p", "a __animal__", "-n", "no __animal__", "--wildcards", "lists", "-b", "6", "-o", "w.png"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::set<std::string> prompts;
  for (int k = 0; k < 6; ++k) {
    const std::string name = "w-" + std::to_string(k + 1) + ".png";
    const std::string prompt = text(name).substr(0, text(name).find('\n'));
    prompts.insert(prompt);
    EXPECT_EQ(text(name).find('_'), std::string::npos) << text(name);
    ASSERT_EQ(run({"-p", "a __animal__", "-n", "no __animal__", "--wildcards", "lists", "-s", std::to_string(5 + k)}).code, 0);
    EXPECT_EQ(drawn().image.pixels, drawn(name).image.pixels) << name;
    ASSERT_EQ(run({"--from", name, "-s", std::to_string(5 + k)}).code, 0) << "needs no lists";
    EXPECT_EQ(drawn().image.pixels, drawn(name).image.pixels) << name;
  }
  EXPECT_GT(prompts.size(), 1u);
  ASSERT_EQ(run({"-p", "a __animal__"}).code, 0);
  EXPECT_EQ(text().rfind("a __animal__\n", 0), 0u) << "without --wildcards it is text";
}

TEST_F(GenerateFromPrompt, AByteOrderMarkIsNoPartOfAPrompt) {
  folder_.write("prompts.txt",
                "\xEF\xBB\xBF"
                "a cat\n");
  ASSERT_EQ(run({"--prompt-file", "prompts.txt"}).code, 0);
  EXPECT_TRUE(text().starts_with("a cat\n")) << text();
}

TEST_F(GenerateFromPrompt, EmbeddingsAreWordsByNameOrByWord) {
  const std::string embeddings = IMPASTO_TEST_DATA "/embeddings", file = embeddings + "/inkwash.safetensors";
  const auto without = pixels({"-p", "a cat in InkWash"});
  const auto with = pixels({"-p", "a cat in InkWash", "--embedding", file});
  EXPECT_NE(with, without);
  EXPECT_EQ(pixels({"-p", "a cat in InkWash", "--embeddings", embeddings}), with);
  EXPECT_EQ(pixels({"-p", "a cat in <style>", "--embedding", file + "=<style>"}), with);
  EXPECT_EQ(pixels({"-p", "a cat in embedding:inkwash", "--embedding", file, "--prompt-syntax", "comfyui"}), with);
  EXPECT_NE(pixels({"-p", "a cat", "-n", "bad-hands", "--embeddings", embeddings}), pixels({"-p", "a cat", "-n", "bad-hands"})) << "a .pt file";
  const json report = json::parse(run({"-p", "inkwash", "--embeddings", embeddings, "--json"}).out);
  EXPECT_EQ(report.at("settings").at("embeddings"), json{file}) << "and no other";
}

TEST_F(GenerateFromPrompt, RefusesWhatIsNoEmbedding) {
  folder_.write("x.safetensors", "not one");
  expect_refused({"-p", "a", "--embedding", "x.safetensors"}, {"x.safetensors"});
  expect_refused({"-p", "a", "--embedding", "none.pt"}, {"none.pt"});
  expect_refused({"-p", "a", "--embedding", kModel + "/unet/diffusion_pytorch_model.safetensors"}, {"not an embedding"});
  expect_refused({"-p", "a", "--embedding", std::string(IMPASTO_TEST_DATA) + "/embeddings/inkwash.safetensors="}, {"no word"});
  expect_refused({"-p", "a", "--embeddings", "none"}, {"none"});
}

TEST_F(GenerateFromPrompt, RefusesFilesWithoutPromptsAndListsThatAreNotThere) {
  folder_.write("empty.txt", " \n\n");
  expect_refused({"--prompt-file", "empty.txt"}, {"empty.txt", "no line"});
  expect_refused({"-p", "a __cat__", "--wildcards", "none"}, {"none"});
  expect_refused({"-p", "a __cat__", "--wildcards", "."}, {"__cat__", "cat.txt"});
  expect_refused({"-p", "a __../cat__", "--wildcards", "."}, {"out of the folder"});
  folder_.write("many.txt", std::string(2 * 6000, '\n').replace(0, 12, "a\nb\nc\nd\ne\nf"));
  folder_.write("latin.txt", "a\nb\ncaf\xe9");
  expect_refused({"--prompt-file", "latin.txt"}, {"line 3 of \"latin.txt\"", "UTF-8"});
  expect_refused({"-p", "a __latin__", "--wildcards", "."}, {"latin.txt: line 3", "UTF-8"});
  expect_refused({"--prompt-file", "many.txt", "-b", "2000"}, {"--num-images", "1 to 1666 for 6 prompts"});
  expect_refused({"-p", "a", "--batch-size", "-1"}, {"--batch-size"});
  expect_refused({"-p", "a", "-b", "2", "--batch-size", "1", "--shared-generator"}, {"--shared-generator"});
}

}  // namespace
}  // namespace impasto::cli
