#include "pipelines/prompts.h"

#include <map>

#include "core/fail.h"
#include "pipelines/encode_text.h"
#include "pipelines/new_words.h"
#include "prompts/edited_prompt.h"

namespace impasto {
namespace {

/// What the texts of one prompt may take together: 120 MB for SD 1.5.
constexpr std::int64_t kMostTokens = 77 * 512;

/// Encodes the prompts of a call.
class Encoder {
 public:
  Encoder(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings)
      : net_(net),
        options_(options),
        warnings_(warnings),
        new_(new_vocabulary(options.embeddings, options.prompt_syntax, net.checkpoint.text_encoder.hidden_size,
                            net.checkpoint.text_encoder.vocabulary_size)),
        tokenizer_(net.tokenizer, new_.words) {}

  /// What is known of the prompt already, where it is.
  std::shared_ptr<const EncodedPrompt> encode(const char* field, const std::string& prompt, int clip_skip) {
    std::shared_ptr<const EncodedPrompt>& known = known_[{prompt, clip_skip}];
    if (!known) known = std::make_shared<const EncodedPrompt>(encode_anew(field, prompt, clip_skip));
    return known;
  }

 private:
  EncodedPrompt encode_anew(const char* field, const std::string& prompt, int clip_skip) {
    if (!text_encoder_) text_encoder_ = net_.text_encoder.get();
    EncodedPrompt encoded;
    if (options_.prompt_syntax == PromptSyntax::a1111) {
      encode_edited(field, EditedPrompt(prompt, options_.num_inference_steps), clip_skip, encoded);
    } else {
      encoded.contexts.push_back(encode_text(field, prompt, clip_skip));
    }
    return encoded;
  }

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
    EncodedText encoded = impasto::encode_text({tokenizer_, *text_encoder_, new_.vectors}, text, options_.prompt_syntax, clip_skip);
    if (!encoded.cut.empty())
      warnings_.push_back(concat(field, " is longer than ", net_.tokenizer.max_length(), " tokens: this part was cut: \"", encoded.cut,
                                 "\"; prompt_syntax a1111 or comfyui reads all of it"));
    return std::move(encoded.context);
  }

  const Networks& net_;
  const TextToImageOptions& options_;
  std::vector<std::string>& warnings_;
  const NewVocabulary new_;
  const PromptTokenizer tokenizer_;
  std::shared_ptr<const ClipText> text_encoder_;  // once it is needed
  std::map<std::pair<std::string, int>, std::shared_ptr<const EncodedPrompt>> known_;
};

/// Image i of embeddings, or the one that is there.
std::shared_ptr<const EncodedPrompt> given(const HostTensor& embeds, std::size_t image, Backend& backend) {
  const auto& shape = embeds.shape;
  const auto offset = shape[0] == 1 ? 0 : image * static_cast<std::size_t>(shape[1] * shape[2]);
  return std::make_shared<const EncodedPrompt>(
      EncodedPrompt{{Tensor::from_host(backend, {1, shape[1], shape[2]}, embeds.values.data() + offset)}, {}});
}

}  // namespace

std::vector<ImageTexts> encode_prompts(const Networks& net, const TextToImageOptions& o, std::vector<std::string>& warnings) {
  const int negative_skip = o.prompt_syntax == PromptSyntax::plain ? 0 : o.clip_skip;
  Encoder encoder(net, o, warnings);
  std::vector<ImageTexts> texts;
  for (std::size_t i = 0; i < static_cast<std::size_t>(o.num_images); ++i) {
    ImageTexts image;
    image.prompt = o.prompt_embeds ? given(*o.prompt_embeds, i, net.backend)
                                   : encoder.encode("prompt", o.prompts.empty() ? o.prompt : o.prompts[i], o.clip_skip);
    if (o.guidance_scale > 1)
      image.negative_prompt =
          o.negative_prompt_embeds
              ? given(*o.negative_prompt_embeds, i, net.backend)
              : encoder.encode("negative_prompt", o.negative_prompts.empty() ? o.negative_prompt : o.negative_prompts[i], negative_skip);
    texts.push_back(std::move(image));
  }
  return texts;
}

}  // namespace impasto
