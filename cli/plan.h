// Which pictures a run draws: each one's prompt and adapters, and which of them are drawn together.
#pragma once

#include <string>
#include <vector>

#include "cli/lora_arguments.h"
#include "cli/prompt_arguments.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

struct PlannedPicture {
  std::string prompt;        ///< as it is recorded, wildcards filled in
  std::string drawn_prompt;  ///< the same without the tags that name adapters
  std::string negative_prompt;
  std::string prompt_2 = {}, negative_prompt_2 = {};  ///< of the second text encoder
  std::vector<Lora> loras = {};
};

/// The prompts of all, for those who look for words in them.
std::string all_text(const std::vector<PlannedPicture>& pictures);

/// num_images pictures of each prompt, picture k with the wildcards that its seed draws. `options` has its seed settled. Throws
/// invalid_argument for a number of pictures that is none, and what read_prompts(), expand_wildcards() and choose_loras() throw.
std::vector<PlannedPicture> plan_pictures(const PromptArguments& prompts, const LoraArguments& loras, const TextToImageOptions& options);

/// Pictures `first` to `first + count - 1`, which have the same adapters and the same second prompts.
struct Batch {
  std::size_t first = 0, count = 0;
};

/// At most `batch_size` pictures each; 0 for as many as go together.
std::vector<Batch> plan_batches(const std::vector<PlannedPicture>& pictures, int batch_size);

bool same_loras(const std::vector<Lora>& a, const std::vector<Lora>& b);

/// Whether all pictures are drawn from one seed: from one stream, or as variations.
bool has_one_seed(const TextToImageOptions& options);

/// The options with a batch's prompts, seed and number.
InpaintOptions options_of(const InpaintOptions& options, const std::vector<PlannedPicture>& pictures, const Batch& batch);

}  // namespace impasto::cli
