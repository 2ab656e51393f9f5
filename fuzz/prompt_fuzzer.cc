#include "fuzz.h"
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
  return 0;
}
