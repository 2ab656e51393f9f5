// How a model on the Hub is named: ORG/NAME, ORG/NAME@REVISION, ORG/NAME/FILE.safetensors, ORG/NAME/FILE@REVISION.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace impasto {

/// Its tokenizer fits every Stable Diffusion 1.x and 2.x.
constexpr const char* kTokenizerModel = "openai/clip-vit-large-patch14";

struct HubReference {
  std::string repository;         ///< "ORG/NAME"
  std::string revision = "main";  ///< branch, tag, "refs/pr/1" or commit
  std::string file;               ///< path of one file in it; empty for the model as a whole

  /// "ORG/NAME@REVISION", the revision left out where it is main; for messages.
  std::string text() const;
};

/// What `text` names, or nothing where it cannot be a name on the Hub (an absolute path, "./x", "x", "x/y.safetensors", too many parts for a
/// repository and no file name at the end, characters that the Hub has not). Pure: no file is looked at.
std::optional<HubReference> parse_hub_reference(std::string_view text);

/// By its ending: .safetensors, .gguf, .ckpt and PyTorch's others.
bool is_file_of_weights(std::string_view name);

/// Whether a name from outside may become part of a path below a folder of ours: relative, "/" between parts, no part empty, "." or "..",
/// no backslash or control character, no part longer than 255 bytes.
bool is_safe_relative_path(std::string_view path);

/// 40 lower-case hexadecimal digits: a commit, or the git hash of a file.
bool is_git_hash(std::string_view text);
/// 64 of them.
bool is_sha256(std::string_view text);

}  // namespace impasto
