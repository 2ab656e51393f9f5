#include "pipelines/prompts.h"

#include <algorithm>
#include <map>

#include "core/fail.h"
#include "pipelines/encode_text.h"
#include "pipelines/new_words.h"
#include "pipelines/picture_ids.h"
#include "pipelines/prompt_turns.h"

namespace impasto {
namespace {

Tensor zeros(Backend& backend, const Shape& shape) {
  return Tensor::from_host(backend, shape, std::vector<float>(static_cast<std::size_t>(shape.count())).data());
}

/// One of the two sides of guidance.
struct Side {
  const char* field;
  int clip_skip;
  Tensor ids;  // [1, k], or empty
};

/// Encodes the prompts of a call.
class Encoder {
 public:
  Encoder(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings)
      : net_(net), options_(options), warnings_(warnings) {
    for (std::size_t i = 0; i < net.texts.size(); ++i) {
      const ClipTextConfig& config = net.checkpoint.texts[i].config;
      new_.push_back(new_vocabulary(options.embeddings, options.prompt_syntax, config.hidden_size, config.vocabulary_size));
      tokenizers_.emplace_back(net.texts[i].tokenizer, new_.back().words);
    }
  }

  /// `texts`: one for each text encoder. What is known of them already, where it is.
  std::shared_ptr<const EncodedPrompt> encode(const Side& side, const std::vector<std::string>& texts) {
    std::shared_ptr<const EncodedPrompt>& known = known_[{side.field, texts}];
    if (!known) known = std::make_shared<const EncodedPrompt>(encode_anew(side, texts));
    return known;
  }

  /// What stands for no negative prompt in models that were trained so.
  std::shared_ptr<const EncodedPrompt> nothing(const Side& side) const {
    const Shape states{1, net_.texts.front().tokenizer.max_length(), net_.checkpoint.unet.context_channels};
    UNetContext context{zeros(net_.backend, states), {}, side.ids};
    if (side.ids) context.pooled = zeros(net_.backend, {1, net_.checkpoint.pooled_channels()});
    return std::make_shared<const EncodedPrompt>(EncodedPrompt{{context}, {}});
  }

 private:
  EncodedPrompt encode_anew(const Side& side, const std::vector<std::string>& texts) {
    if (text_encoders_.empty())
      for (const TextNetwork& text : net_.texts) text_encoders_.push_back(text.encoder.get());
    EncodedPrompt encoded;
    if (options_.prompt_syntax == PromptSyntax::a1111) {
      std::vector<EditedPrompt> prompts;
      for (const std::string& text : texts) prompts.emplace_back(text, *options_.num_inference_steps);
      encoded.turns = encode_turns(prompts, side.field, [&](const std::vector<std::string>& now) {
        encoded.contexts.push_back(encode_texts(side, now));
        return encoded.contexts.back().states.dim(1);
      });
      if (encoded.contexts.size() == 1) encoded.turns.clear();
    } else {
      encoded.contexts.push_back(encode_texts(side, texts));
    }
    return encoded;
  }

  UNetContext encode_texts(const Side& side, const std::vector<std::string>& texts) {
    std::vector<TextReader> readers;
    for (std::size_t i = 0; i < texts.size(); ++i) readers.push_back({tokenizers_[i], *text_encoders_[i], new_[i].vectors});
    EncodedText encoded = encode_text(
        readers, texts, {.syntax = options_.prompt_syntax, .clip_skip = side.clip_skip, .penultimate = net_.checkpoint.reads_penultimate_layer()});
    if (!encoded.cut.empty())
      warnings_.push_back(concat(side.field, " is longer than ", net_.texts.front().tokenizer.max_length(), " tokens: this part was cut: \"",
                                 encoded.cut, "\"; prompt_syntax a1111 or comfyui reads all of it"));
    const Tensor pooled = encoded.pooled ? encoded.pooled.on(net_.backend) : Tensor();
    return {encoded.context.on(net_.backend), pooled, side.ids};
  }

  const Networks& net_;
  const TextToImageOptions& options_;
  std::vector<std::string>& warnings_;
  std::vector<NewVocabulary> new_;  // of each text encoder
  std::vector<PromptTokenizer> tokenizers_;
  std::vector<std::shared_ptr<const ClipText>> text_encoders_;  // once they are needed
  std::map<std::pair<std::string, std::vector<std::string>>, std::shared_ptr<const EncodedPrompt>> known_;
};

/// Image i of embeddings [1 or n, ...], or the one that is there, [1, ...].
Tensor image_of(const HostTensor& embeds, std::size_t image, Backend& backend) {
  Shape shape(embeds.shape);
  shape[0] = 1;
  const auto offset = embeds.shape[0] == 1 ? 0 : image * static_cast<std::size_t>(shape.count());
  return Tensor::from_host(backend, shape, embeds.values.data() + offset);
}

std::shared_ptr<const EncodedPrompt> given(const HostTensor& embeds, const std::optional<HostTensor>& pooled, const Side& side, std::size_t image,
                                           Backend& backend) {
  UNetContext context{image_of(embeds, image, backend), pooled ? image_of(*pooled, image, backend) : Tensor(), side.ids};
  return std::make_shared<const EncodedPrompt>(EncodedPrompt{{std::move(context)}, {}});
}

/// What each text encoder reads.
std::vector<std::string> for_each_encoder(const Networks& net, const std::string& prompt, const std::string& second) {
  std::vector<std::string> texts;
  for (const TextPart& text : net.checkpoint.texts) texts.push_back(text.name == kSecondTextEncoder && !second.empty() ? second : prompt);
  return texts;
}

}  // namespace

std::vector<ImageTexts> encode_prompts(const Networks& net, const TextToImageOptions& o, std::vector<std::string>& warnings) {
  const PictureIds ids = picture_ids(o, net.checkpoint.num_picture_ids());
  const auto as_tensor = [&](const std::vector<float>& values) {
    return values.empty() ? Tensor() : Tensor::from_host(net.backend, {1, static_cast<std::int64_t>(values.size())}, values.data());
  };
  const Side prompt{"prompt", o.clip_skip, as_tensor(ids.prompt)};
  const Side negative{"negative_prompt", o.prompt_syntax == PromptSyntax::plain ? 0 : o.clip_skip, as_tensor(ids.negative_prompt)};
  Encoder encoder(net, o, warnings);
  const auto negative_of = [&](const std::string& text) {
    const std::vector<std::string> texts = for_each_encoder(net, text, o.negative_prompt_2);
    const bool empty = std::all_of(texts.begin(), texts.end(), [](const std::string& t) { return t.empty(); });
    return empty && net.checkpoint.zeros_for_no_prompt ? encoder.nothing(negative) : encoder.encode(negative, texts);
  };
  std::vector<ImageTexts> texts;
  for (std::size_t i = 0; i < static_cast<std::size_t>(o.num_images); ++i) {
    ImageTexts image;
    image.prompt = o.prompt_embeds ? given(*o.prompt_embeds, o.pooled_prompt_embeds, prompt, i, net.backend)
                                   : encoder.encode(prompt, for_each_encoder(net, o.prompts.empty() ? o.prompt : o.prompts[i], o.prompt_2));
    if (net.checkpoint.unet.guided_at(*o.guidance_scale))
      image.negative_prompt = o.negative_prompt_embeds ? given(*o.negative_prompt_embeds, o.negative_pooled_prompt_embeds, negative, i, net.backend)
                                                       : negative_of(o.negative_prompts.empty() ? o.negative_prompt : o.negative_prompts[i]);
    texts.push_back(std::move(image));
  }
  return texts;
}

}  // namespace impasto
