#include "pipelines/prompts.h"

#include "core/fail.h"
#include "pipelines/encode_text.h"

namespace impasto {

std::vector<ImageTexts> encode_prompts(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings) {
  const auto text_encoder = net.text_encoder.get();
  const auto encode = [&](const char* field, const std::string& text, int clip_skip) {
    EncodedText encoded = encode_text(net.tokenizer, *text_encoder, text, options.prompt_syntax, clip_skip);
    if (!encoded.cut.empty())
      warnings.push_back(concat(field, " is longer than ", net.tokenizer.max_length(), " tokens: this part was cut: \"", encoded.cut,
                                "\"; prompt_syntax a1111 or comfyui reads all of it"));
    return std::move(encoded.context);
  };
  ImageTexts texts;
  texts.prompt = encode("prompt", options.prompt, options.clip_skip);
  if (options.guidance_scale > 1)
    texts.negative_prompt = encode("negative_prompt", options.negative_prompt, options.prompt_syntax == PromptSyntax::plain ? 0 : options.clip_skip);
  return std::vector<ImageTexts>(static_cast<std::size_t>(options.num_images), texts);
}

}  // namespace impasto
