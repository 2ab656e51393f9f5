#include "cli/plan.h"

#include <algorithm>

#include "cli/prompt_embeds.h"
#include "impasto/error.h"
#include "impasto/wildcards.h"

namespace impasto::cli {
namespace {

constexpr std::size_t kMostPictures = 10'000;

std::string filled_in(const std::string& prompt, const std::string& folder, std::uint64_t seed) {
  return folder.empty() ? prompt : expand_wildcards(prompt, folder, seed);
}

bool go_together(const PlannedPicture& a, const PlannedPicture& b) {
  return same_loras(a.loras, b.loras) && a.prompt_2 == b.prompt_2 && a.negative_prompt_2 == b.negative_prompt_2;
}

}  // namespace

std::string all_text(const std::vector<PlannedPicture>& pictures) {
  std::string text;
  for (const PlannedPicture& p : pictures) text += p.drawn_prompt + '\n' + p.negative_prompt + '\n' + p.prompt_2 + '\n' + p.negative_prompt_2 + '\n';
  return text;
}

std::vector<PlannedPicture> plan_pictures(const PromptArguments& arguments, const LoraArguments& loras, const TextToImageOptions& options) {
  const std::vector<std::string> prompts = read_prompts(arguments);
  const auto each = static_cast<std::size_t>(std::max(options.num_images, 0));
  if (each < 1 || each > kMostPictures / prompts.size())
    throw Error(ErrorKind::invalid_argument, "--num-images is " + std::to_string(options.num_images) + ", allowed is 1 to " +
                                                 std::to_string(kMostPictures / prompts.size()) +
                                                 (prompts.size() > 1 ? " for " + std::to_string(prompts.size()) + " prompts" : ""));
  std::vector<PlannedPicture> pictures;
  for (const std::string& prompt : prompts) {
    for (std::size_t i = 0; i < each; ++i) {
      const std::uint64_t seed = *options.seed + (options.variation_strength > 0 ? 0 : pictures.size());
      ChosenLoras chosen = choose_loras(loras, filled_in(prompt, arguments.wildcards, seed));
      const auto drawn = [&](const std::string& text) { return filled_in(text, arguments.wildcards, seed); };
      pictures.push_back({std::move(chosen.recorded_prompt), std::move(chosen.drawn_prompt), drawn(options.negative_prompt), drawn(options.prompt_2),
                          drawn(options.negative_prompt_2), std::move(chosen.loras)});
    }
  }
  return pictures;
}

bool same_loras(const std::vector<Lora>& a, const std::vector<Lora>& b) {
  const auto same = [](const Lora& x, const Lora& y) {
    return x.path == y.path && x.scale == y.scale && x.text_encoder_scale == y.text_encoder_scale;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

std::vector<Batch> plan_batches(const std::vector<PlannedPicture>& pictures, int batch_size) {
  const std::size_t most = batch_size > 0 ? static_cast<std::size_t>(batch_size) : pictures.size();
  std::vector<Batch> batches;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const bool fits = !batches.empty() && batches.back().count < most && go_together(pictures[batches.back().first], pictures[i]);
    if (!fits) batches.push_back({i, 0});
    ++batches.back().count;
  }
  return batches;
}

InpaintOptions options_of(const InpaintOptions& options, const std::vector<PlannedPicture>& pictures, const Batch& batch) {
  InpaintOptions out = options;
  out.num_images = 1;
  if (options.prompt_embeds) {  // without wildcards, so that one negative prompt is all pictures'
    out.prompt.clear();         // of a picture whose settings were taken
    out.num_images = static_cast<int>(batch.count);
    keep_prompt_embeds_of(batch, out);
  } else {
    out.prompt.clear(), out.negative_prompt.clear();
    out.prompt_2 = pictures[batch.first].prompt_2, out.negative_prompt_2 = pictures[batch.first].negative_prompt_2;
    for (std::size_t i = batch.first; i < batch.first + batch.count; ++i) {
      out.prompts.push_back(pictures[i].drawn_prompt);
      out.negative_prompts.push_back(pictures[i].negative_prompt);
    }
  }
  if (!has_one_seed(options)) *out.seed += batch.first;
  if (options.variation_strength > 0) *out.variation_seed += batch.first;
  return out;
}

bool has_one_seed(const TextToImageOptions& options) { return options.shared_generator || options.variation_strength > 0; }

}  // namespace impasto::cli
