// The options of `impasto generate` that are about the prompt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

struct PromptArguments {
  std::optional<std::string> text;      ///< "-" is standard input
  std::string file;                     ///< one prompt in a line; the same
  std::string embeds;                   ///< a file of embeddings, instead of text
  std::string wildcards;                ///< a folder; empty: __name__ is text
  std::vector<std::string> embeddings;  ///< "FILE" or "FILE=WORD"
  std::string embeddings_folder;        ///< whose files are words where a prompt has their names; may be empty
};

/// Adds the options; those that are fields of the library's go into `options`. Both must outlive the parsing.
void add_prompt_options(CLI::App& app, PromptArguments& arguments, TextToImageOptions& options);

/// The prompt as given, empty where embeddings are, or read from standard input without its last line's end; or each line of --prompt-file that is
/// not empty. Throws invalid_argument when there is none or it holds a NUL, not_found or io.
std::vector<std::string> read_prompts(const PromptArguments& arguments);

/// "FILE" or "FILE=WORD", in two.
struct NamedEmbedding {
  std::string file;  ///< or a name on the Hub
  std::optional<std::string> word;
};

/// Throws invalid_argument for an empty word.
NamedEmbedding parse_embedding(const std::string& text);

/// The files that are named, and those of the folder whose names occur in `text`. Throws as read_embedding() and find_embeddings().
std::vector<Embedding> read_embeddings(const PromptArguments& arguments, const std::string& text);

}  // namespace impasto::cli
