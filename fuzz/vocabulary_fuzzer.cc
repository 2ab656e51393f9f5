#include "fuzz.h"
#include "tokenizers/byte_pair_encoder.h"

// Input: vocab.json, NUL, merges.txt, NUL, a word. The ids of a word spell it again where the vocabulary has its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  std::string_view rest = fuzz::text(data, size);
  const auto next_part = [&] {
    const std::string_view part = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
  };
  const std::string_view vocabulary = next_part(), merges = next_part(), word = rest;
  fuzz::expect_error_or_result({ErrorKind::bad_file}, [&] {
    const auto encoder = BytePairEncoder::parse(vocabulary, merges, "vocab.json", "merges.txt");
    if (encoder.size() == 0) return;
    std::vector<std::int32_t> ids;
    encoder.encode(word, 0, ids);
    CHECK(ids.size() <= word.size() && ids.empty() == word.empty());
    for (const std::int32_t id : ids) {
      CHECK(id >= 0 && id < encoder.size());
      BytePairEncoder::decode(encoder.name(id));
    }
  });
  return 0;
}
