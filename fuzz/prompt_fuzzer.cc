#include "fuzz.h"
#include "prompts/chunks.h"
#include "prompts/edited_prompt.h"
#include "tokenizers/clip_tokenizer.h"
#include "tokenizers/tiny_vocabulary.h"

// A vocabulary of bytes and a few merges, with one special token of each kind.
static impasto::ClipTokenizer make_tokenizer() {
  using namespace impasto::test;
  const TemporaryFolder folder;
  folder.write("special_tokens_map.json", R"({"bos_token":{"content":"<|startoftext|>","normalized":true},"pad_token":"!"})");
  return impasto::ClipTokenizer::load(TinyVocabulary({"h e", "l l", "he ll", "a a", "t</w> h", "e r", "\u00ce \u00a3"}).write(folder));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  static const ClipTokenizer tokenizer = make_tokenizer();
  fuzz::expect_error_or_result({ErrorKind::invalid_argument}, [&] {
    const std::string_view prompt = fuzz::text(data, size);
    const auto ids = tokenizer.encode(prompt);
    CHECK(ids.size() >= 2 && ids.front() == tokenizer.start_id() && ids.back() == tokenizer.end_id());
    for (const std::int32_t id : ids) CHECK(id >= 0 && id < tokenizer.vocabulary_size());
    const Encoding padded = tokenizer.encode_padded(prompt);
    CHECK(padded.ids.size() == 77 && padded.ids.front() == ids.front());
    CHECK(padded.cut.empty() == (ids.size() <= 77));
    CHECK(tokenizer.encode(std::string(prompt) + " ") == ids);
  });
  // A prompt in one of the syntaxes; chunks are whole, whatever it is.
  fuzz::expect_error_or_result({ErrorKind::invalid_argument}, [&] {
    const std::string_view prompt = fuzz::text(data, size);
    const EditedPrompt edited(prompt, 5);
    const PromptTokenizer words(tokenizer, {{"he", 1000, 3}, {"a-b", 1003, 9}});
    for (const int step : {1, 2, 5})
      for (const Chunk& chunk : a1111_chunks(words, parse_a1111(edited.at(step)))) CHECK(chunk.ids.size() == 77 && chunk.weights.size() == 77);
    for (const Chunk& chunk : comfyui_chunks(words, parse_comfyui(prompt))) CHECK(chunk.ids.size() == 77 && chunk.weights.size() == 77);
  });
  return 0;
}
