#include "pipelines/prompts.h"

#include <map>

#include "core/fail.h"
#include "pipelines/encode_text.h"
#include "prompts/edited_prompt.h"

namespace impasto {
namespace {

/// What the texts of one prompt may take together: 120 MB for SD 1.5.
constexpr std::int64_t kMostTokens = 77 * 512;

/// Encodes the prompts of a call.
class Encoder {
 public:
  Encoder(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings)
      : net_(net), options_(options), text_encoder_(net.text_encoder.get()), warnings_(warnings) {}

  std::shared_ptr<const EncodedPrompt> encode(const char* field, const std::string& prompt, int clip_skip) {
    auto encoded = std::make_shared<EncodedPrompt>();
    if (options_.prompt_syntax == PromptSyntax::a1111) {
      encode_edited(field, EditedPrompt(prompt, options_.num_inference_steps), clip_skip, *encoded);
    } else {
      encoded->contexts.push_back(encode_text(field, prompt, clip_skip));
    }
    return encoded;
  }

 private:
  void encode_edited(const char* field, const EditedPrompt& prompt, int clip_skip, EncodedPrompt& out) {
    std::map<std::string, std::uint32_t> known;
    std::int64_t tokens = 0;
    for (const int last : prompt.last_steps()) {
      const auto [text, is_new] = known.try_emplace(prompt.at(last), static_cast<std::uint32_t>(out.contexts.size()));
      if (is_new) {
        out.contexts.push_back(encode_text(field, text->first, clip_skip));
        tokens += out.contexts.back().dim(1);
      }
      if (tokens > kMostTokens)
        fail(ErrorKind::invalid_argument, field, " changes into texts of more than ", kMostTokens, " tokens together; let it change less often");
      out.turns.resize(static_cast<std::size_t>(last), text->second);
    }
    if (out.contexts.size() == 1) out.turns.clear();
  }

  Tensor encode_text(const char* field, const std::string& text, int clip_skip) {
    EncodedText encoded = impasto::encode_text(net_.tokenizer, *text_encoder_, text, options_.prompt_syntax, clip_skip);
    if (!encoded.cut.empty())
      warnings_.push_back(concat(field, " is longer than ", net_.tokenizer.max_length(), " tokens: this part was cut: \"", encoded.cut,
                                 "\"; prompt_syntax a1111 or comfyui reads all of it"));
    return std::move(encoded.context);
  }

  const Networks& net_;
  const TextToImageOptions& options_;
  const std::shared_ptr<const ClipText> text_encoder_;
  std::vector<std::string>& warnings_;
};

}  // namespace

std::vector<ImageTexts> encode_prompts(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings) {
  Encoder encoder(net, options, warnings);
  ImageTexts texts;
  texts.prompt = encoder.encode("prompt", options.prompt, options.clip_skip);
  if (options.guidance_scale > 1) {
    const int clip_skip = options.prompt_syntax == PromptSyntax::plain ? 0 : options.clip_skip;
    texts.negative_prompt = encoder.encode("negative_prompt", options.negative_prompt, clip_skip);
  }
  return std::vector<ImageTexts>(static_cast<std::size_t>(options.num_images), texts);
}

}  // namespace impasto
