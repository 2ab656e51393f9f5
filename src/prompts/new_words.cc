#include "prompts/new_words.h"

#include <algorithm>

#include "prompts/characters.h"

namespace impasto {
namespace {

std::u32string normalized(const std::string& text) { return lower_case(compose(from_utf8(text, "the prompt"))); }

/// Whether `name` stands at `at`, a word of its own.
bool stands_at(std::u32string_view text, std::size_t at, std::u32string_view name) {
  if (name.empty() || !text.substr(at).starts_with(name)) return false;
  const std::size_t end = at + name.size();
  const bool joined_before = at > 0 && is_word(name.front()) && is_word(text[at - 1]);
  const bool joined_behind = end < text.size() && is_word(name.back()) && is_word(text[end]);
  return !joined_before && !joined_behind;
}

}  // namespace

bool occurs(const std::string& name, const std::string& text) {
  const std::u32string wanted = normalized(name), where = normalized(text);
  for (auto at = where.find(wanted); at != where.npos; at = where.find(wanted, at + 1))
    if (stands_at(where, at, wanted)) return true;
  return false;
}

PromptTokenizer::PromptTokenizer(const ClipTokenizer& tokenizer, const std::vector<NewWord>& words) : tokenizer_(tokenizer) {
  for (const NewWord& word : words) words_.push_back({normalized(word.name), word.name, word.first_id, word.count});
  std::stable_sort(words_.begin(), words_.end(), [](const Word& a, const Word& b) { return a.name.size() > b.name.size(); });
}

const PromptTokenizer::Word* PromptTokenizer::longest_at(std::u32string_view text, std::size_t at) const {
  const auto found = std::find_if(words_.begin(), words_.end(), [&](const Word& word) { return stands_at(text, at, word.name); });
  return found == words_.end() ? nullptr : &*found;
}

std::vector<PromptTokenizer::Piece> PromptTokenizer::pieces(const std::string& text) const {
  const auto known = [&](const std::string& part) {
    const std::vector<std::int32_t> ids = tokenizer_.encode(part);
    return Piece{{ids.begin() + 1, ids.end() - 1}};
  };
  if (words_.empty()) return {known(text)};
  std::vector<Piece> pieces;
  const std::u32string letters = normalized(text);
  std::size_t begin = 0;
  for (std::size_t at = 0; at < letters.size();) {
    const Word* word = longest_at(letters, at);
    if (word == nullptr) {
      ++at;
      continue;
    }
    if (at > begin) pieces.push_back(known(to_utf8(std::u32string_view(letters).substr(begin, at - begin))));
    Piece piece{{}, /*is_new_word=*/true};
    for (std::int32_t i = 0; i < word->count; ++i) piece.ids.push_back(word->first_id + i);
    pieces.push_back(std::move(piece));
    begin = at += word->name.size();
  }
  if (begin == 0) return {known(text)};
  if (begin < letters.size()) pieces.push_back(known(to_utf8(std::u32string_view(letters).substr(begin))));
  return pieces;
}

Encoding PromptTokenizer::encode_padded(const std::string& text) const {
  const std::vector<Piece> all = pieces(text);
  if (std::none_of(all.begin(), all.end(), [](const Piece& piece) { return piece.is_new_word; })) return tokenizer_.encode_padded(text);
  const auto room = static_cast<std::size_t>(tokenizer_.max_length()) - 2;
  std::vector<std::int32_t> ids;
  for (const Piece& piece : all) ids.insert(ids.end(), piece.ids.begin(), piece.ids.end());
  Encoding encoding{{tokenizer_.start_id()}, {}};
  const auto end_of_kept = ids.begin() + static_cast<std::ptrdiff_t>(std::min(room, ids.size()));
  encoding.ids.insert(encoding.ids.end(), ids.begin(), end_of_kept);
  encoding.ids.push_back(tokenizer_.end_id());
  encoding.ids.resize(room + 2, tokenizer_.pad_id());
  encoding.cut = text_of({end_of_kept, ids.end()});
  return encoding;
}

/// New words by their names, also where only their last vectors are left.
std::string PromptTokenizer::text_of(const std::vector<std::int32_t>& ids) const {
  std::string text;
  for (std::size_t i = 0; i < ids.size();) {
    const auto word =
        std::find_if(words_.begin(), words_.end(), [&](const Word& w) { return w.first_id <= ids[i] && ids[i] < w.first_id + w.count; });
    const std::size_t begin = i;
    text += text.empty() ? "" : " ";
    if (word != words_.end()) {
      const std::int32_t last = word->first_id + word->count - 1;
      i += static_cast<std::size_t>(last - ids[i]) + 1;
      text += word->shown;
      continue;
    }
    while (i < ids.size() && ids[i] < tokenizer_.vocabulary_size()) ++i;
    text += tokenizer_.text_of({ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.begin() + static_cast<std::ptrdiff_t>(i)});
  }
  return text;
}

}  // namespace impasto
