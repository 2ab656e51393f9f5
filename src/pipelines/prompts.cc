#include "pipelines/prompts.h"

#include "core/fail.h"
#include "ops/ops.h"

namespace impasto {
namespace {

/// The text encoder's view of a prompt, [1, 77, c].
Tensor encode_prompt(const Networks& net, const ClipText& text_encoder, const char* field, const std::string& prompt, int clip_skip,
                     std::vector<std::string>& warnings) {
  const Encoding encoding = net.tokenizer.encode_padded(prompt);
  if (!encoding.cut.empty())
    warnings.push_back(concat(field, " is longer than ", net.tokenizer.max_length(), " tokens: this part was cut: \"", encoding.cut, "\""));
  return text_encoder.forward(encoding.ids, 1, clip_skip);
}

}  // namespace

Tensor encode_prompts(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings) {
  const auto text_encoder = net.text_encoder.get();
  Tensor context = encode_prompt(net, *text_encoder, "prompt", options.prompt, options.clip_skip, warnings);
  if (options.guidance_scale > 1)
    context = ops::concat_images(encode_prompt(net, *text_encoder, "negative_prompt", options.negative_prompt, /*clip_skip=*/0, warnings), context);
  return ops::repeat_images(context, options.num_images);
}

}  // namespace impasto
