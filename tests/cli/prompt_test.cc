// `impasto generate`: how prompts are read.
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
  expect_refused({"-p", "a", "--prompt-syntax", "A1111x"}, {"--prompt-syntax", "A1111x", "plain, a1111 and comfyui", "--help"});
  expect_refused({"-p", "(a:1e5)", "--prompt-syntax", "comfyui"}, {"weight", "100000", "1000"});
  expect_refused({"-p", std::string(200, '('), "--prompt-syntax", "a1111"}, {"100 deep"});
}

}  // namespace
}  // namespace impasto::cli
