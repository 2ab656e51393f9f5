// Tokenizer files small enough to follow by hand.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "support/temporary_folder.h"
#include "tokenizers/unicode.h"

namespace impasto::test {

/// The 256 bytes (ids 0..255 in the order of GPT-2's alphabet: visible ones first), the same at a word's end (256..511), one token per
/// merge from 512 on, and the two special tokens last.
class TinyVocabulary {
 public:
  explicit TinyVocabulary(const std::vector<std::string>& merges = {}) {
    for (int pass = 0; pass < 2; ++pass)
      for (const std::string& c : alphabet()) add(c + (pass == 1 ? "</w>" : ""));
    for (const std::string& line : merges) {
      merges_ += line + "\n";
      std::string token = line;
      add(token.erase(token.find(' '), 1));
    }
    add("<|startoftext|>");
    add("<|endoftext|>");
  }

  std::int32_t id(const std::string& token) const { return json_.at(token); }
  const std::string& name(std::int32_t id) const { return names_.at(static_cast<std::size_t>(id)); }
  std::string vocab_json() const { return json_.dump(); }
  std::string merges_txt() const { return "#version: 0.2\n" + merges_; }

  /// Writes vocab.json and merges.txt and returns the folder.
  std::string write(const TemporaryFolder& folder) const {
    folder.write("vocab.json", vocab_json());
    folder.write("merges.txt", merges_txt());
    return folder.path();
  }

  static std::vector<std::string> alphabet() {
    std::vector<std::string> all;
    const auto push = [&](char32_t c) { append_utf8(c, all.emplace_back()); };
    for (char32_t c = 0x21; c <= 0x7E; ++c) push(c);
    for (char32_t c = 0xA1; c <= 0xFF; ++c)
      if (c != 0xAD) push(c);
    for (char32_t c = 0x100; c < 0x144; ++c) push(c);
    return all;
  }

 private:
  void add(const std::string& token) {
    if (json_.contains(token)) return;
    json_[token] = names_.size();
    names_.push_back(token);
  }

  std::vector<std::string> names_;
  Json json_ = Json::object();
  std::string merges_;
};

}  // namespace impasto::test
