#include "tokenizers/clip_tokenizer.h"

#include <map>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/golden.h"
#include "tokenizers/tiny_vocabulary.h"

namespace impasto {
namespace {

using test::TemporaryFolder;
using test::TinyVocabulary;
using Ids = std::vector<std::int32_t>;

TEST(ClipTokenizer, GivesTransformersIds) {
  std::map<std::string, ClipTokenizer> tokenizers;
  int compared = 0;
  for (const test::GoldenCase& c : test::golden_cases("tokenizer")) {
    const std::string text = c.record().at("text");
    for (const std::string checkpoint : {"sd15", "sd21"}) {
      const std::string folder = c.checkpoint("tiny-" + checkpoint) + "/tokenizer";
      if (!tokenizers.contains(folder)) tokenizers.emplace(folder, ClipTokenizer::load(folder));
      const ClipTokenizer& tokenizer = tokenizers.at(folder);
      EXPECT_EQ(tokenizer.encode_padded(text).ids, c.ints("ids_" + checkpoint)) << c.name() << " " << checkpoint << ": " << text;
      ++compared;
      if (checkpoint != "sd15") continue;
      EXPECT_EQ(tokenizer.encode(text), c.record().at("ids").get<Ids>()) << c.name() << ": " << text;
    }
  }
  EXPECT_GE(compared, 2);
}

class SmallTokenizer : public ::testing::Test {
 protected:
  ClipTokenizer load() { return ClipTokenizer::load(vocabulary_.write(folder_)); }
  // Ids of a prompt without the start and end, as token names.
  std::vector<std::string> names(const ClipTokenizer& tokenizer, std::string_view prompt) {
    const Ids ids = tokenizer.encode(prompt);
    EXPECT_EQ(ids.front(), tokenizer.start_id());
    EXPECT_EQ(ids.back(), tokenizer.end_id());
    std::vector<std::string> out;
    for (auto id = ids.begin() + 1; id != ids.end() - 1; ++id) out.push_back(vocabulary_.name(*id));
    return out;
  }

  TemporaryFolder folder_;
  TinyVocabulary vocabulary_{{"h e", "l l", "he ll", "o w", "l o</w>", "a a"}};
};

using Names = std::vector<std::string>;

TEST_F(SmallTokenizer, SplitsWordsAsTheFilesOrderSays) {
  const ClipTokenizer t = load();
  EXPECT_EQ(t.vocabulary_size(), 520);
  EXPECT_EQ(names(t, ""), Names{});
  EXPECT_EQ(names(t, "hello"), (Names{"hell", "o</w>"}));
  EXPECT_EQ(names(t, "  HELLO\t\n"), (Names{"hell", "o</w>"}));
  EXPECT_EQ(names(t, "helo"), (Names{"he", "lo</w>"}));
  EXPECT_EQ(names(t, "h2o it's"), (Names{"h</w>", "2</w>", "o</w>", "i", "t</w>", "'", "s</w>"}));
  EXPECT_EQ(names(t, "10!?x"), (Names{"1</w>", "0</w>", "!", "?</w>", "x</w>"}));
}

TEST_F(SmallTokenizer, FindsSpecialTokensInThePromptAsTheirFlagsSay) {
  const auto with = [&](const char* looks) {
    folder_.write("special_tokens_map.json",
                  std::string(R"({"eos_token":{"content":"<|endoftext|>","normalized":)") + looks + R"(},"unk_token":null,"pad_token":"!"})");
    folder_.write("tokenizer_config.json", R"({"pad_token":"?","unk_token":"!"})");
    return load();
  };
  const ClipTokenizer raw = with("false"), normalized = with("true");
  for (const ClipTokenizer* t : {&raw, &normalized}) {
    EXPECT_EQ(t->pad_id(), vocabulary_.id("!"));
    EXPECT_EQ(names(*t, "a<|endoftext|>b!c"), (Names{"a</w>", "<|endoftext|>", "b</w>", "!", "c</w>"}));
  }
  EXPECT_EQ(names(raw, "<|EndOfText|>"), (Names{"<", "|</w>", "e", "n", "d", "o", "f", "t", "e", "x", "t</w>", "|", "></w>"}));
  EXPECT_EQ(names(normalized, "<|EndOfText|>"), Names{"<|endoftext|>"});
}

TEST_F(SmallTokenizer, ReadsTokensAddedBeyondTheVocabulary) {
  folder_.write("added_tokens.json", R"({"<Cat>":520,"<cat-toy>":521})");
  const ClipTokenizer legacy = load();
  EXPECT_EQ(legacy.vocabulary_size(), 522);
  EXPECT_EQ(legacy.encode("a <CAT> <cat-toy>"), (Ids{518, vocabulary_.id("a</w>"), 520, 521, 519}));
  EXPECT_EQ(legacy.encode_padded(std::string(80, 'x') + " <cat-toy>").cut, "xxxxx <cat-toy>");

  folder_.write("tokenizer_config.json", R"({"added_tokens_decoder":{"520":{"content":"<Cat>","normalized":false}}})");
  const ClipTokenizer decoder = load();
  EXPECT_EQ(decoder.vocabulary_size(), 521);
  EXPECT_EQ(decoder.encode("<Cat>"), (Ids{518, 520, 519}));
  EXPECT_NE(decoder.encode("<cat>"), (Ids{518, 520, 519}));

  folder_.write("tokenizer_config.json", R"({"added_tokens_decoder":{"530":{"content":"<Cat>"}}})");
  EXPECT_ERROR(load(), bad_file, "\"<Cat>\"", "530", "expected 520");
}

TEST_F(SmallTokenizer, AMapOfSpecialTokensGivesWayToADecoder) {
  folder_.write("special_tokens_map.json", R"({"pad_token":"!"})");
  folder_.write("tokenizer_config.json", R"({"pad_token":"?"})");
  EXPECT_EQ(load().pad_id(), vocabulary_.id("!"));
  folder_.write("tokenizer_config.json", R"({"pad_token":"?","added_tokens_decoder":{}})");
  EXPECT_EQ(load().pad_id(), vocabulary_.id("?"));
}

TEST_F(SmallTokenizer, PadsAndCutsToTheLength) {
  folder_.write("tokenizer_config.json", R"({"model_max_length":6})");
  const ClipTokenizer t = load();
  EXPECT_EQ(t.max_length(), 6);
  const std::int32_t s = t.start_id(), e = t.end_id(), p = t.pad_id(), a = vocabulary_.id("a</w>");
  EXPECT_EQ(t.encode_padded("").ids, (Ids{s, e, p, p, p, p}));
  EXPECT_EQ(t.encode_padded("a a a a").ids, (Ids{s, a, a, a, a, e}));
  EXPECT_EQ(t.encode_padded("a a a a").cut, "");
  EXPECT_EQ(t.encode_padded("a a a a hello, Caf\u00e9 7").ids, (Ids{s, a, a, a, a, e}));
  EXPECT_EQ(t.encode_padded("a a a a hello, Caf\u00e9 7").cut, "hello , caf\u00e9 7");
  EXPECT_EQ(t.encode_padded("a a a \u00e9").cut, "\uFFFD") << "half a character was cut off";
}

TEST_F(SmallTokenizer, LimitsThatAreNoneMeanClipsOwn) {
  folder_.write("tokenizer_config.json", R"({"model_max_length":1000000000000000019884624838656})");
  EXPECT_EQ(load().max_length(), 77);
  folder_.write("tokenizer_config.json", "{}");
  EXPECT_EQ(load().max_length(), 77);
  for (const std::string bad : {"2", "-1", "6.5", "\"77\""}) {
    folder_.write("tokenizer_config.json", "{\"model_max_length\":" + bad + "}");
    EXPECT_ERROR(load(), bad_file, "tokenizer_config.json", "model_max_length");
  }
}

TEST_F(SmallTokenizer, RefusesPromptsThatAreNotUtf8NamingTheByte) {
  const ClipTokenizer t = load();
  const std::pair<const char*, const char*> kBad[] = {{"abc\xFF", "byte 3 is 0xff"},
                                                      {"\x80", "byte 0"},
                                                      {"\u00e9\xC3", "byte 2"},
                                                      {"a\xC0\x80", "byte 1"},
                                                      {"a\xED\xA0\x80", "byte 1 is 0xed"},
                                                      {"\xF4\x90\x80\x80", "byte 0"},
                                                      {"\xE2\x82", "byte 0"},
                                                      {"ab\xF0\x9F\x98", "byte 2"}};
  for (const auto& bad : kBad) {
    EXPECT_ERROR(t.encode(bad.first), invalid_argument, "prompt", "UTF-8", bad.second);
    EXPECT_ERROR(t.encode_padded(bad.first), invalid_argument, "prompt", "UTF-8", bad.second);
  }
}

TEST_F(SmallTokenizer, RefusesPromptsBeyond64KiB) {
  const ClipTokenizer t = load();
  EXPECT_EQ(t.encode(std::string(65536, '9')).size(), 65538u);
  EXPECT_ERROR(t.encode(std::string(65537, '9')), invalid_argument, "65537 bytes", "at most 65536");
}

// Each would take minutes if a step of the tokenizer were quadratic in what it looks at.
TEST_F(SmallTokenizer, TakesTheLongestPromptsOfEveryKind) {
  const ClipTokenizer t = load();
  const auto repeat = [](std::string_view s) {
    std::string out;
    while (out.size() + s.size() <= 65536) out += s;
    return out;
  };
  for (const std::string_view s : {"a", "hello", "(", "'", "'s", "<", "<|", "<|endoftext|", "<|endoftext|>", " ", "\u0316\u0301", "\u0301", "\u1e69",
                                   "\U0001F600", "9a", "\uAC00", "\u0130"})
    EXPECT_GE(t.encode(repeat(s)).size(), 2u) << s;
  EXPECT_EQ(t.encode(repeat("aa")).size(), 65536 / 2 + 1 + 2u) << "the last a carries the word's end and merges with none";
}

TEST_F(SmallTokenizer, SaysWhatIsWrongWithItsFiles) {
  const std::string vocab = vocabulary_.vocab_json(), merges = vocabulary_.merges_txt();
  const auto refused = [&](const std::string& vocab_json, const std::string& merges_txt, std::initializer_list<std::string> parts) {
    folder_.write("vocab.json", vocab_json);
    folder_.write("merges.txt", merges_txt);
    EXPECT_TRUE(test::throws_error([&] { ClipTokenizer::load(folder_.path()); }, ErrorKind::bad_file, parts));
  };
  refused("", merges, {"vocab.json", "not valid JSON"});
  refused("[]", merges, {"vocab.json", "object"});
  refused("{}", "", {"\"<|startoftext|>\" is not in vocab.json"});
  refused(R"({"a":0,"b":2})", "", {"vocab.json", "\"b\"", "id 2", "expected 0 to 1"});
  refused(R"({"a":0,"b":0})", "", {"\"a\" and \"b\" both have id 0"});
  refused(R"({"a":0,"a":1})", "", {"\"a\" stands twice"});
  refused(R"({"a":-1})", "", {"\"a\"", "-1"});
  refused(R"({"a":0.0})", "", {"\"a\"", "0.0"});
  refused(R"({"a":"0"})", "", {"\"a\"", "\"0\""});
  refused(vocab, merges + "x y\n", {"merges.txt: line 8", "\"xy\" is not in the vocabulary"});
  refused(vocab, merges + "zz y\n", {"merges.txt: line 8", "\"zz\""});
  refused(vocab, "h e\n\nl l\n", {"merges.txt: line 2", "two tokens"});
  refused(vocab, "h\n", {"merges.txt: line 1", "two tokens"});
  refused(vocab, "h e l\n", {"line 1", "two tokens"});
  folder_.write("special_tokens_map.json", R"({"pad_token":"<pad>"})");
  refused(vocab, merges, {folder_.path(), "\"<pad>\" is not in vocab.json"});
  folder_.write("special_tokens_map.json", R"({"pad_token":7})");
  refused(vocab, merges, {"special_tokens_map.json", "pad_token", "expected a token"});
  folder_.write("special_tokens_map.json", R"({"pad_token":{"content":["!"]}})");
  refused(vocab, merges, {"special_tokens_map.json", "pad_token", "content", "a string"});
}

TEST_F(SmallTokenizer, NamesTheFileThatIsMissing) {
  EXPECT_ERROR(ClipTokenizer::load(folder_.path()), not_found, "vocab.json");
  folder_.write("vocab.json", vocabulary_.vocab_json());
  EXPECT_ERROR(ClipTokenizer::load(folder_.path()), not_found, "merges.txt");
}

TEST_F(SmallTokenizer, MergesFileMayHaveWindowsLinesAndNoLastLineEnd) {
  vocabulary_.write(folder_);
  folder_.write("merges.txt", "#version: 0.2\r\nh e\r\nl l");
  EXPECT_EQ(names(ClipTokenizer::load(folder_.path()), "hell"), (Names{"he", "l", "l</w>"}));
  EXPECT_EQ(names(ClipTokenizer::load(folder_.path()), "ello"), (Names{"e", "ll", "o</w>"}));
}

}  // namespace
}  // namespace impasto
