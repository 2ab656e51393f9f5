#include "cli/prompt_embeds.h"

#include "impasto/error.h"
#include "impasto/prompt_embeddings.h"

namespace impasto::cli {
namespace {

/// Rows `first` to `first + count - 1`; one row is for all pictures.
void keep_rows(std::optional<HostTensor>& tensor, std::size_t first, std::size_t count) {
  if (!tensor || tensor->shape.at(0) == 1) return;
  const std::size_t row = tensor->values.size() / static_cast<std::size_t>(tensor->shape[0]);
  const auto begin = tensor->values.begin() + static_cast<std::ptrdiff_t>(first * row);
  tensor->values = std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(count * row));
  tensor->shape[0] = static_cast<std::int64_t>(count);
}

}  // namespace

void take_prompt_embeds(const std::string& file, std::size_t pictures, TextToImageOptions& o) {
  if (file.empty()) return;
  PromptEmbeddings read = read_prompt_embeddings(file);
  o.prompt_embeds = std::move(read.prompt_embeds), o.negative_prompt_embeds = std::move(read.negative_prompt_embeds);
  o.pooled_prompt_embeds = std::move(read.pooled_prompt_embeds);
  o.negative_pooled_prompt_embeds = std::move(read.negative_pooled_prompt_embeds);
  for (const auto* tensor : {&o.prompt_embeds, &o.negative_prompt_embeds, &o.pooled_prompt_embeds, &o.negative_pooled_prompt_embeds}) {
    if (!*tensor || (*tensor)->shape[0] == 1 || (*tensor)->shape[0] == static_cast<std::int64_t>(pictures)) continue;
    const std::string there = std::to_string((*tensor)->shape[0]);
    throw Error(ErrorKind::invalid_argument, "--prompt-embeds: " + file + " holds " + there + " prompts for " + std::to_string(pictures) +
                                                 " pictures; to draw one of each: --num-images " + there);
  }
}

void keep_prompt_embeds_of(const Batch& batch, TextToImageOptions& o) {
  for (auto* tensor : {&o.prompt_embeds, &o.negative_prompt_embeds, &o.pooled_prompt_embeds, &o.negative_pooled_prompt_embeds})
    keep_rows(*tensor, batch.first, batch.count);
}

}  // namespace impasto::cli
