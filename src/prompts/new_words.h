// Words that the tokenizer does not know, in prompts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizers/clip_tokenizer.h"

namespace impasto {

struct NewWord {
  std::string name;
  std::int32_t first_id;  ///< and those that follow: beyond the text encoder's vocabulary
  std::int32_t count;     ///< of its vectors
};

/// Whether a name stands in a text as a word of its own: where it begins or ends with a letter, digit or "_", no such character may
/// stand beside it. Case does not matter.
bool occurs(const std::string& name, const std::string& text);

/// The tokenizer and some new words. Immutable, safe for several threads.
class PromptTokenizer {
 public:
  /// The tokenizer must outlive it.
  explicit PromptTokenizer(const ClipTokenizer& tokenizer, const std::vector<NewWord>& words = {});

  struct Piece {
    std::vector<std::int32_t> ids;
    bool is_new_word = false;
  };
  /// A text's ids without start and end, each new word a piece of its own; the longest where several begin. Throws as ClipTokenizer::encode().
  std::vector<Piece> pieces(const std::string& text) const;
  /// As ClipTokenizer::encode_padded().
  Encoding encode_padded(const std::string& text) const;
  const ClipTokenizer& clip() const { return tokenizer_; }

 private:
  struct Word {
    std::u32string name;
    std::string shown;
    std::int32_t first_id, count;
  };
  const Word* longest_at(std::u32string_view text, std::size_t at) const;
  std::string text_of(const std::vector<std::int32_t>& ids) const;

  const ClipTokenizer& tokenizer_;
  std::vector<Word> words_;  // the longest first
};

}  // namespace impasto
