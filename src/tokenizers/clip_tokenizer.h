// CLIP's byte-pair encoding of prompts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impasto {

/// Ids of one prompt as the text encoder takes them.
struct Encoding {
  std::vector<std::int32_t> ids;  ///< exactly max_length: start, tokens, end, padding
  std::string cut;                ///< the part of the prompt that did not fit, as text; empty when all did
};

/// Radford et al., 2021; behaves as transformers 5's CLIPTokenizer on the same files. Immutable, safe for several threads.
class ClipTokenizer {
 public:
  /// Reads vocab.json and merges.txt, and special_tokens_map.json and tokenizer_config.json where present (the first wins: SD 2.x pads
  /// with "!", said there only). `pad`: the token to pad with whatever they say, unless it is empty. Throws not_found, io, bad_file or unsupported.
  static ClipTokenizer load(const std::string& folder, const std::string& pad = {});

  /// Ids of the prompt between start and end, without a limit or padding. Throws invalid_argument for invalid UTF-8 (with the byte's
  /// place) and for a prompt beyond 64 KiB.
  std::vector<std::int32_t> encode(std::string_view prompt) const;
  /// As encode, cut and padded to max_length (77).
  Encoding encode_padded(std::string_view prompt) const;

  /// What ids within the vocabulary read, as text.
  std::string text_of(std::span<const std::int32_t> ids) const;

  int max_length() const;
  int vocabulary_size() const;
  std::int32_t start_id() const;
  std::int32_t end_id() const;
  std::int32_t pad_id() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace impasto
