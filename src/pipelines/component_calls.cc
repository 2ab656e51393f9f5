// Calls of the public VAE, text encoder and tokenizer.
#include "core/fail.h"
#include "core/quote.h"
#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"
#include "pipelines/encode_text.h"
#include "pipelines/new_words.h"
#include "pipelines/prompt_turns.h"
#include "pipelines/tiled_vae.h"

namespace impasto {
namespace {

constexpr int kMostSteps = 100000;

/// Each image through `f` ([1, h, w, c] to the same with other numbers), one after the other, so that memory is that of one.
template <typename F>
HostTensor one_by_one(Backend& backend, const TensorRef& x, const F& f) {
  HostTensor out;
  backend.recycle_cached_memory();  // other networks' shapes are others
  for (std::int64_t i = 0; i < x.shape[0]; ++i) {
    const HostTensor one = to_nchw(f(images(backend, x, i, 1)));
    out.shape = {x.shape[0], one.shape[1], one.shape[2], one.shape[3]};
    out.values.reserve(count(out.shape));
    out.values.insert(out.values.end(), one.values.begin(), one.values.end());
  }
  backend.release_cached_memory();
  return out;
}

}  // namespace

HostTensor VaeModel::decode(const TensorRef& latents, const ShouldStop& should_stop, bool tiled) const {
  return running(should_stop, [&] {
    const std::int64_t channels = impl_->config.latent_channels;
    require_shape("latents", latents, {0, channels, 0, 0}, concat("[n, ", channels, ", height / 8, width / 8]").c_str());
    const auto decoder = impl_->decoder.get();
    return one_by_one(impl_->backend(), latents,
                      [&](const Tensor& x) { return tiled ? decode_in_tiles(*decoder, impl_->config, x) : decoder->forward(x); });
  });
}

HostTensor VaeModel::encode(const TensorRef& pixels, const ShouldStop& should_stop, bool tiled) const {
  return running(should_stop, [&] {
    require_shape("pixels", pixels, {0, impl_->config.in_channels, 0, 0}, concat("[n, ", impl_->config.in_channels, ", height, width]").c_str());
    const std::int64_t scale = impl_->config.scale();
    if (pixels.shape[2] < scale || pixels.shape[3] < scale)
      fail(ErrorKind::invalid_argument, "pixels are ", pixels.shape[3], " x ", pixels.shape[2], ", at least ", scale, " x ", scale, " are needed");
    const auto encoder = impl_->encoder.get();
    return one_by_one(impl_->backend(), pixels,
                      [&](const Tensor& x) { return tiled ? encode_in_tiles(*encoder, impl_->config, x) : encoder->forward(x); });
  });
}

std::vector<Image> VaeModel::preview(const TensorRef& latents, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const std::int64_t channels = impl_->config.latent_channels, scale = impl_->config.scale();
    require_shape("latents", latents, {0, channels, 0, 0}, concat("[n, ", channels, ", height / 8, width / 8]"));
    {
      const std::lock_guard lock(impl_->mutex);
      if (!impl_->linear) impl_->linear.emplace(*impl_->decoder.get(), impl_->config, impl_->backend());
    }
    std::vector<Image> pictures;
    for (std::int64_t i = 0; i < latents.shape[0]; ++i) {
      const Image rough = impl_->linear->decode(images(impl_->backend(), latents, i, 1));
      pictures.push_back(resize(rough, rough.width * static_cast<int>(scale), rough.height * static_cast<int>(scale)));
    }
    impl_->backend().release_cached_memory();  // the UNet's shapes are others
    return pictures;
  });
}

HostTensor TextModel::forward(std::span<const std::int32_t> ids, std::int64_t n, int clip_skip, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    if (n < 1 || ids.empty() || static_cast<std::int64_t>(ids.size()) % n != 0)
      fail(ErrorKind::invalid_argument, ids.size(), " ids do not make ", n, " prompts of equal length");
    const auto net = impl_->net.get();
    const std::int64_t most = net->config().vocabulary_size;
    for (const std::int32_t id : ids)
      if (id < 0 || id >= most) fail(ErrorKind::invalid_argument, "id ", id, " is not in the text encoder's vocabulary of ", most);
    const Tensor out = net->forward(ids, n, clip_skip);
    return HostTensor{{out.shape().begin(), out.shape().end()}, out.to_host()};
  });
}

/// Reads texts without what they say of steps.
struct PromptReader {
  std::shared_ptr<const ClipText> encoder;
  const PromptReading& how;
  NewVocabulary added;
  PromptTokenizer words;

  PromptReader(const Tokenizer& tokenizer, const TextModel& text_encoder, const PromptReading& h)
      : encoder(text_encoder.impl_->net.get()),
        how(h),
        added(new_vocabulary(how.embeddings, how.syntax, encoder->config().hidden_size, encoder->config().vocabulary_size)),
        words(tokenizer.impl_->clip, added.words) {}

  EncodedPromptText read(const std::string& text) const {
    EncodedText encoded = encode_text({words, *encoder, added.vectors}, text, how.syntax, how.clip_skip);
    const Shape& shape = encoded.context.shape();
    return {{{shape.begin(), shape.end()}, encoded.context.to_host()}, std::move(encoded.cut)};
  }
};

EncodedPromptText encode_prompt(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text, const PromptReading& how,
                                const ShouldStop& should_stop) {
  return running(should_stop, [&] {
    if (how.syntax == PromptSyntax::a1111 && EditedPrompt(text, /*num_steps=*/1000).last_steps().size() > 1)
      fail(ErrorKind::unsupported, "the prompt changes on the way (", in_quotes(text),
           "): it is one context only at a step; encode_prompt_turns() takes it");
    return PromptReader(tokenizer, text_encoder, how).read(text);
  });
}

EncodedPromptTurns encode_prompt_turns(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text, int num_steps,
                                       const PromptReading& how, const ShouldStop& should_stop) {
  return running(should_stop, [&] {
    if (num_steps < 1 || num_steps > kMostSteps) fail(ErrorKind::invalid_argument, "num_steps is ", num_steps, ", allowed is 1 to ", kMostSteps);
    const PromptReader reader(tokenizer, text_encoder, how);
    EncodedPromptTurns out;
    const auto add = [&](const std::string& now) {
      EncodedPromptText encoded = reader.read(now);
      out.contexts.push_back(std::move(encoded.context));
      if (out.cut.empty()) out.cut = std::move(encoded.cut);
    };
    if (how.syntax != PromptSyntax::a1111) {
      add(text);
      out.turns.assign(static_cast<std::size_t>(num_steps), 0);
      return out;
    }
    out.turns = encode_turns({EditedPrompt(text, num_steps)}, "the prompt", [&](const std::vector<std::string>& now) {
      add(now.front());
      return out.contexts.back().shape[1];
    });
    return out;
  });
}

Tokenizer Tokenizer::load(const std::string& folder) {
  return guarded([&] { return Tokenizer(std::make_shared<const Impl>(ClipTokenizer::load(folder))); });
}

Tokenizer::Encoding Tokenizer::encode(const std::string& text) const {
  return guarded([&] { return Encoding{impl_->clip.encode(text), {}}; });
}

Tokenizer::Encoding Tokenizer::encode_padded(const std::string& text) const {
  return guarded([&] {
    impasto::Encoding e = impl_->clip.encode_padded(text);
    return Encoding{std::move(e.ids), std::move(e.cut)};
  });
}

int Tokenizer::max_length() const { return impl_->clip.max_length(); }
std::int32_t Tokenizer::start_id() const { return impl_->clip.start_id(); }
std::int32_t Tokenizer::end_id() const { return impl_->clip.end_id(); }
std::int32_t Tokenizer::pad_id() const { return impl_->clip.pad_id(); }

}  // namespace impasto
