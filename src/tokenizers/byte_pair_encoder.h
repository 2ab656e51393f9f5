// Byte-pair encoding of one word at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impasto {

/// Sennrich et al., 2016, over bytes as in GPT-2 (Radford et al., 2019): a token's name spells its bytes in a printable alphabet, and the
/// last token of a word ends in "</w>". A word starts as its bytes; the neighbours whose merge stands first in the list are joined, the
/// leftmost first, until no neighbours have a merge.
class BytePairEncoder {
 public:
  /// `vocabulary` holds each id 0..n-1 once; `merges` has lines "left right", best first, whose three tokens are in the vocabulary.
  /// Throws not_found, io, or bad_file naming the file and the line or token.
  static BytePairEncoder load(const std::string& vocabulary_path, const std::string& merges_path);
  /// The same from the files' contents.
  static BytePairEncoder parse(std::string_view vocabulary, std::string_view merges, const std::string& vocabulary_path,
                               const std::string& merges_path);

  std::int32_t size() const { return static_cast<std::int32_t>(names_.size()); }
  /// -1 when there is no such token.
  std::int32_t id(const std::string& name) const;
  const std::string& name(std::int32_t id) const { return names_[static_cast<std::size_t>(id)]; }

  /// Appends the ids of a word's bytes. A byte that the vocabulary lacks is `unknown`. Time n log n in the word's length.
  void encode(std::string_view word, std::int32_t unknown, std::vector<std::int32_t>& ids) const;
  /// The bytes that a name spells, "</w>" included; the name itself when it is not spelled in the alphabet.
  static std::string decode(std::string_view name);

 private:
  struct Merge {
    std::int32_t rank, id;
  };
  class Word;

  void read_vocabulary(std::string_view text, const std::string& path);
  void read_merges(std::string_view text, const std::string& path);
  void read_merge(std::string_view line, std::int32_t rank, const std::string& path, std::size_t number);
  const Merge* merge(std::int32_t left, std::int32_t right) const;

  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;          // by left id << 32 | right id
  std::array<std::array<std::int32_t, 2>, 256> byte_ids_{};  // of a byte within a word, and at its end; -1: none
};

}  // namespace impasto
