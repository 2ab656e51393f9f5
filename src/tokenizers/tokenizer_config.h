// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impasto {

/// A token that is looked for in the prompt before it is split into words. White space beside it counts for nothing, so that the files'
/// lstrip and rstrip make no difference here.
struct AddedToken {
  std::string content;
  bool normalized = false;         ///< looked for after normalisation (composed, in lower case), else as typed
  std::optional<std::int64_t> id;  ///< when a file states it
};

struct TokenizerConfig {
  std::string start = "<|startoftext|>", end = "<|endoftext|>", unknown = "<|endoftext|>", pad = "<|endoftext|>";
  std::vector<AddedToken> added;  ///< the four above and others, each content once
  std::int32_t max_length = 77;
};

/// Reads what is there as transformers 5 does: special_tokens_map.json wins over tokenizer_config.json, unless that has an
/// added_tokens_decoder; a token named twice has the looks of the last naming. `pad`, unless it is empty, is the token to pad with whatever the files
/// say. Throws io, bad_file, unsupported.
TokenizerConfig read_tokenizer_config(const std::string& folder, const std::string& pad = {});

}  // namespace impasto
