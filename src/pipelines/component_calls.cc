// Calls of the public VAE, text encoder and tokenizer.
#include <algorithm>

#include "core/fail.h"
#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"
#include "pipelines/tiled_vae.h"

namespace impasto {
namespace {

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

void require_ids(std::span<const std::int32_t> ids, std::int64_t n, const ClipTextConfig& c) {
  if (n < 1 || ids.empty() || static_cast<std::int64_t>(ids.size()) % n != 0)
    fail(ErrorKind::invalid_argument, ids.size(), " ids do not make ", n, " prompts of equal length");
  for (const std::int32_t id : ids)
    if (id < 0 || id >= c.vocabulary_size)
      fail(ErrorKind::invalid_argument, "id ", id, " is not in the text encoder's vocabulary of ", c.vocabulary_size);
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
    const auto net = impl_->net.get();
    require_ids(ids, n, net->config());
    return to_host(net->forward(ids, n, clip_skip));
  });
}

HostTensor TextModel::pooled(std::span<const std::int32_t> ids, std::int64_t n, std::int32_t end, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto net = impl_->net.get();
    require_ids(ids, n, net->config());
    if (net->config().projection_size == 0)
      fail(ErrorKind::unsupported, "this text encoder (CLIPTextModel) has no projection; CLIPTextModelWithProjection has");
    const auto tokens = static_cast<std::ptrdiff_t>(ids.size()) / n;
    for (std::int64_t i = 0; i < n; ++i)
      if (const auto row = ids.subspan(static_cast<std::size_t>(i * tokens), static_cast<std::size_t>(tokens));
          std::find(row.begin(), row.end(), end) == row.end())
        fail(ErrorKind::invalid_argument, "prompt ", i, " does not hold the id ", end, ", which ends a text");
    return to_host(net->read(ids, n, {.pooled_at = end}).pooled);
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
