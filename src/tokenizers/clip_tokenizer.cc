#include "tokenizers/clip_tokenizer.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "tokenizers/byte_pair_encoder.h"
#include "tokenizers/tokenizer_config.h"
#include "tokenizers/unicode.h"

namespace impasto {
namespace {

constexpr std::size_t kMaxPromptBytes = 64u << 10;

std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    const bool space = classify(c) == CharClass::space;
    if (!space || out.empty() || out.back() != U' ') out += space ? U' ' : c;
  }
  return out;
}

std::u32string normalize(std::u32string_view text) { return lower_case(collapse_spaces(compose(text))); }

// Tokens to look for in a text, and the text between them.
class AddedTokens {
 public:
  void add(std::u32string content, std::int32_t id) { tokens_.push_back({std::move(content), id}); }

  // Calls plain(text) and token(id) in order; where several tokens begin, the longest counts.
  template <typename Plain, typename Token>
  void split(std::u32string_view text, const Plain& plain, const Token& token) const {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Added* found = longest_at(text.substr(at));
      if (found == nullptr) {
        ++at;
        continue;
      }
      plain(text.substr(begin, at - begin));
      token(found->id);
      begin = at += found->content.size();
    }
    plain(text.substr(begin));
  }

 private:
  struct Added {
    std::u32string content;
    std::int32_t id;
  };

  const Added* longest_at(std::u32string_view text) const {
    const Added* best = nullptr;
    for (const Added& t : tokens_)
      if (text.starts_with(t.content) && (best == nullptr || t.content.size() > best->content.size())) best = &t;
    return best;
  }

  std::vector<Added> tokens_;
};

constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
// One word for CLIP's pattern, three for that of the byte-level step after it: "<|", the name, "|>".
constexpr std::array<std::u32string_view, 2> kMarkers{U"<|startoftext|>", U"<|endoftext|>"};

// Length of the word that text begins with: CLIP's pattern 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+.
std::size_t word_length(std::u32string_view text) {
  for (const std::u32string_view contraction : kContractions)
    if (text.starts_with(contraction)) return contraction.size();
  const CharClass first = classify(text.front());
  std::size_t length = 1;
  if (first != CharClass::number)
    while (length < text.size() && classify(text[length]) == first) ++length;
  return length;
}

// Calls word(text) for each word of a normalised text.
template <typename Word>
void for_each_word(std::u32string_view text, const Word& word) {
  const auto take = [&](std::size_t length) {
    word(text.substr(0, length));
    text.remove_prefix(length);
  };
  while (!text.empty()) {
    const auto* marker = std::find_if(kMarkers.begin(), kMarkers.end(), [&](std::u32string_view m) { return text.starts_with(m); });
    if (classify(text.front()) == CharClass::space) {
      text.remove_prefix(1);
    } else if (marker != kMarkers.end()) {
      for (const std::size_t length : {std::size_t{2}, marker->size() - 4, std::size_t{2}}) take(length);
    } else {
      take(word_length(text));
    }
  }
}

}  // namespace

struct ClipTokenizer::Impl {
  Impl(BytePairEncoder encoder_, const TokenizerConfig& config, const std::string& folder)
      : encoder(std::move(encoder_)), max_length(config.max_length) {
    for (const AddedToken& token : config.added) add(token, folder);
    start = required(config.start, folder);
    end = required(config.end, folder);
    unknown = required(config.unknown, folder);
    pad = required(config.pad, folder);
  }

  void add(const AddedToken& token, const std::string& folder) {
    std::int32_t id = encoder.id(token.content);
    if (id < 0 && token.id) {
      id = encoder.size() + static_cast<std::int32_t>(beyond_vocabulary.size());
      beyond_vocabulary.push_back(token.content);
    }
    if (id < 0) fail(ErrorKind::bad_file, folder, ": the special token ", in_quotes(token.content), " is not in vocab.json");
    if (token.id && *token.id != id)
      fail(ErrorKind::bad_file, folder, ": the added token ", in_quotes(token.content), " has id ", *token.id, ", expected ", id,
           " after vocab.json");
    const std::u32string content = from_utf8(token.content, "an added token");
    (token.normalized ? normalized_tokens : raw_tokens).add(token.normalized ? normalize(content) : content, id);
  }

  std::int32_t required(const std::string& token, const std::string& folder) const {
    const auto place = std::find(beyond_vocabulary.begin(), beyond_vocabulary.end(), token);
    if (place != beyond_vocabulary.end()) return encoder.size() + static_cast<std::int32_t>(place - beyond_vocabulary.begin());
    const std::int32_t id = encoder.id(token);
    if (id < 0) fail(ErrorKind::bad_file, folder, ": the special token ", in_quotes(token), " is not in vocab.json");
    return id;
  }

  void encode_words(std::u32string_view text, std::vector<std::int32_t>& ids) const {
    std::string bytes;
    for_each_word(text, [&](std::u32string_view word) {
      bytes.clear();
      for (const char32_t c : word) append_utf8(c, bytes);
      encoder.encode(bytes, unknown, ids);
    });
  }

  std::string decode(std::int32_t id) const {
    return id < encoder.size() ? BytePairEncoder::decode(encoder.name(id)) : beyond_vocabulary[static_cast<std::size_t>(id - encoder.size())];
  }

  BytePairEncoder encoder;
  AddedTokens raw_tokens, normalized_tokens;
  std::vector<std::string> beyond_vocabulary;  // contents of the ids from encoder.size() on
  std::int32_t start = 0, end = 0, unknown = 0, pad = 0, max_length;
};

ClipTokenizer ClipTokenizer::load(const std::string& folder, const std::string& pad) {
  const std::filesystem::path path(folder);
  for (const char* name : {"vocab.json", "merges.txt"})
    if (!has_entry((path / name).string()))
      fail(ErrorKind::not_found, (path / name).string(), ": no such file; name a folder that has it (tokenizer: --tokenizer DIR)");
  BytePairEncoder encoder = BytePairEncoder::load((path / "vocab.json").string(), (path / "merges.txt").string());
  ClipTokenizer tokenizer;
  tokenizer.impl_ = std::make_shared<Impl>(std::move(encoder), read_tokenizer_config(folder, pad), folder);
  return tokenizer;
}

std::vector<std::int32_t> ClipTokenizer::encode(std::string_view prompt) const {
  if (prompt.size() > kMaxPromptBytes)
    fail(ErrorKind::invalid_argument, "the prompt has ", prompt.size(), " bytes, expected at most ", kMaxPromptBytes);
  std::vector<std::int32_t> ids{impl_->start};
  const auto token = [&](std::int32_t id) { ids.push_back(id); };
  const auto words = [&](std::u32string_view text) { impl_->encode_words(text, ids); };
  const auto plain = [&](std::u32string_view text) { impl_->normalized_tokens.split(normalize(text), words, token); };
  impl_->raw_tokens.split(from_utf8(prompt, "the prompt"), plain, token);
  ids.push_back(impl_->end);
  return ids;
}

Encoding ClipTokenizer::encode_padded(std::string_view prompt) const {
  const auto length = static_cast<std::size_t>(impl_->max_length);
  Encoding encoding{encode(prompt), {}};
  std::vector<std::int32_t>& ids = encoding.ids;
  if (ids.size() > length) {
    encoding.cut = text_of(std::span(ids).subspan(length - 1, ids.size() - length));
    ids[length - 1] = impl_->end;
  }
  ids.resize(length, impl_->pad);
  return encoding;
}

// Words end in "</w>", which reads as the space between them.
std::string ClipTokenizer::text_of(std::span<const std::int32_t> ids) const {
  constexpr std::string_view kWordEnd = "</w>";
  std::string text;
  for (const std::int32_t id : ids) {
    text += impl_->decode(id);
    if (text.ends_with(kWordEnd)) text.replace(text.size() - kWordEnd.size(), kWordEnd.size(), " ");
  }
  if (text.ends_with(' ')) text.pop_back();
  return repair_utf8(text);
}

int ClipTokenizer::max_length() const { return impl_->max_length; }
int ClipTokenizer::vocabulary_size() const { return impl_->encoder.size() + static_cast<int>(impl_->beyond_vocabulary.size()); }
std::int32_t ClipTokenizer::start_id() const { return impl_->start; }
std::int32_t ClipTokenizer::end_id() const { return impl_->end; }
std::int32_t ClipTokenizer::pad_id() const { return impl_->pad; }

}  // namespace impasto
