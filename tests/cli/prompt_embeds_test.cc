// `impasto generate --prompt-embeds`.

#include <gtest/gtest.h>

#include "cli/process.h"
#include "impasto/components.h"
#include "impasto/image.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"

namespace impasto::cli {
namespace {

using ::impasto::test::make_safetensors;
using ::impasto::test::record;
using test::Ran;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

class PromptEmbeds : public ::testing::Test {
 protected:
  Ran run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "--model", kModel, "--steps", "2", "-s", "5", "-q"};
    all.insert(all.end(), more.begin(), more.end());
    return test::run(all, {.folder = folder_.path()});
  }
  /// Draws into the file, and returns it without the settings.
  std::vector<std::uint8_t> drawn(const std::vector<std::string>& more, const std::string& name) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return read_image(folder_ / name).pixels;
  }
  void expect_refused(const std::vector<std::string>& more, const std::string& part) const {
    const Ran ran = run(more);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_NE(ran.err.find(part), std::string::npos) << ran.err;
  }
  /// What the text encoder makes of the texts, as a file's tensor.
  void write(const std::string& file, const std::string& tensor, const std::vector<std::string>& texts) const {
    const Components parts = components(Pipeline::load(kModel));
    std::string data, shape;
    for (const std::string& text : texts) {
      const HostTensor states = parts.texts[0].encoder.forward(parts.texts[0].tokenizer.encode_padded(text).ids, 1);
      const std::size_t bytes = states.values.size() * sizeof(float);
      data.append(reinterpret_cast<const char*>(states.values.data()), bytes);
      shape = "[" + std::to_string(texts.size()) + "," + std::to_string(states.shape[1]) + "," + std::to_string(states.shape[2]) + "]";
    }
    folder_.write(file, make_safetensors("{" + record(tensor, "F32", shape, 0, data.size()) + "}", data));
  }

  ::impasto::test::TemporaryFolder folder_;
};

TEST_F(PromptEmbeds, DrawWhatTheirPromptsDraw) {
  write("boat.safetensors", "prompt_embeds", {"a boat"});
  const auto from_text = drawn({"-p", "a boat", "-n", "fog", "-o", "text.png"}, "text.png");
  EXPECT_EQ(drawn({"--prompt-embeds", "boat.safetensors", "-n", "fog", "-o", "file.png"}, "file.png"), from_text);
  EXPECT_NE(drawn({"--prompt-embeds", "boat.safetensors", "-o", "plain.png"}, "plain.png"), from_text);
  EXPECT_EQ(drawn({"--from", "text.png", "--prompt-embeds", "boat.safetensors", "-o", "again.png"}, "again.png"), from_text);
}

TEST_F(PromptEmbeds, EachPictureHasItsOwnHoweverManyAreDrawnTogether) {
  write("both.safetensors", "prompt_embeds", {"a boat", "a house"});
  folder_.write("prompts.txt", "a boat\na house\n");
  ASSERT_EQ(run({"--prompt-file", "prompts.txt", "-o", "text-%d.png"}).code, 0);
  ASSERT_EQ(run({"--prompt-embeds", "both.safetensors", "-b", "2", "-o", "file-%d.png"}).code, 0);
  ASSERT_EQ(run({"--prompt-embeds", "both.safetensors", "-b", "2", "--batch-size", "1", "-o", "single-%d.png"}).code, 0);
  for (const std::string number : {"1", "2"}) {
    const auto from_text = read_image(folder_ / ("text-" + number + ".png")).pixels;
    EXPECT_EQ(read_image(folder_ / ("file-" + number + ".png")).pixels, from_text) << number;
    EXPECT_EQ(read_image(folder_ / ("single-" + number + ".png")).pixels, from_text) << number;
  }
}

TEST_F(PromptEmbeds, AreRefusedBesideAPromptOrForOtherNumbersOfPictures) {
  write("both.safetensors", "prompt_embeds", {"a boat", "a house"});
  write("strange.safetensors", "latents", {"a boat"});
  expect_refused({"--prompt-embeds", "both.safetensors", "-p", "a boat"}, "--prompt-embeds");
  expect_refused({"a boat", "--prompt-embeds", "both.safetensors"}, "the prompt is \"a boat\" already");
  expect_refused({"--prompt-embeds", "both.safetensors", "--wildcards", "."}, "--prompt-embeds");
  expect_refused({"--prompt-embeds", "both.safetensors", "-b", "3"}, "2 prompts for 3 pictures; to draw one of each: --num-images 2");
  expect_refused({"--prompt-embeds", "both.safetensors", "-b", "2", "--refiner", kModel}, "--refiner");
  expect_refused({"--prompt-embeds", "strange.safetensors"}, "latents");
  expect_refused({"--prompt-embeds", "none.safetensors"}, "none.safetensors");
}

}  // namespace
}  // namespace impasto::cli
