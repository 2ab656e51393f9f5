// A call's embeddings as the text encoder takes them.
#pragma once

#include <vector>

#include "impasto/pipeline.h"
#include "prompts/new_words.h"

namespace impasto {

struct NewVocabulary {
  std::vector<NewWord> words;
  std::vector<float> vectors;  ///< [k, width], the first of them being id `first_id`
};

/// The embeddings' tensors of that width, and the words for them in a syntax. Throws invalid_argument for an embedding without such a tensor, naming
/// those that it has, and for two that share a name.
NewVocabulary new_vocabulary(const std::vector<Embedding>& embeddings, PromptSyntax syntax, std::int64_t width, std::int64_t first_id);

}  // namespace impasto
