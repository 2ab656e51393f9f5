// Calls of the public UNet and ControlNet.
#include <algorithm>
#include <cstring>

#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"

namespace impasto {
namespace {

/// Whether the second half of a batch is the first once more, as it is under guidance.
bool repeats(const TensorRef& t) {
  const std::size_t half = count(t.shape) / 2;
  return t.shape[0] % 2 == 0 && std::memcmp(t.values, t.values + half, half * sizeof(float)) == 0;
}

void require_timestep_cond(const UNetConfig& c, const TensorRef& told, std::int64_t n) {
  if (told.shape.empty()) return;
  if (c.guidance_channels == 0)
    fail(ErrorKind::invalid_argument, "timestep_cond is for models that are told the guidance scale (LCM); this one is not");
  require_shape("timestep_cond", told, {n, c.guidance_channels}, concat("[", n, ", ", c.guidance_channels, "]"));
  const auto row = static_cast<std::size_t>(c.guidance_channels);
  for (std::size_t i = 1; i < static_cast<std::size_t>(n); ++i)
    if (!std::equal(told.values, told.values + row, told.values + i * row))
      fail(ErrorKind::unsupported, "timestep_cond differs between the images of a batch; run them one by one");
}

/// Texts of n images, as the config has them.
void require_texts(const UNetConfig& c, const UNetTexts& texts, std::int64_t n) {
  require_shape("encoder_hidden_states", texts.encoder_hidden_states, {n, 0, c.context_channels},
                concat("[", n, ", tokens, ", c.context_channels, "], ", n, " being the number of images in sample"));
  require_timestep_cond(c, texts.timestep_cond, n);
  if (c.added_channels == 0) {
    if (!texts.text_embeds.shape.empty() || !texts.time_ids.shape.empty())
      fail(ErrorKind::invalid_argument, "text_embeds and time_ids are for models of the XL kind; this one takes none");
    return;
  }
  require_shape("text_embeds", texts.text_embeds, {n, 0}, concat("[", n, ", c], what the texts come to as a whole"));
  const std::int64_t pooled = texts.text_embeds.shape[1], ids = (c.added_channels - pooled) / c.added_id_channels;
  if (ids < 1 || ids * c.added_id_channels + pooled != c.added_channels)
    fail(ErrorKind::invalid_argument, "text_embeds have ", pooled, " columns, which leave no room for numbers about the picture among the ",
         c.added_channels, " that this model adds");
  require_shape("time_ids", texts.time_ids, {n, ids}, concat("[", n, ", ", ids, "]"));
}

Tensor rows(Backend& backend, const TensorRef& t) { return t.shape.empty() ? Tensor() : Tensor::from_host(backend, Shape(t.shape), t.values); }

template <typename Network>
std::shared_ptr<const UNet::Conditioning> conditioning(Remembered<UNet::Conditioning>& known, const Network& net, Backend& backend,
                                                       const UNetTexts& texts) {
  const TensorRef &states = texts.encoder_hidden_states, &pooled = texts.text_embeds, &ids = texts.time_ids, &told = texts.timestep_cond;
  std::vector<float> guidance;
  if (!told.shape.empty()) guidance.assign(told.values, told.values + told.shape[1]);
  return known.get({states, pooled, ids, told}, [&] {
    return net.condition({rows(backend, states), rows(backend, pooled), rows(backend, ids), std::move(guidance)});
  });
}

void require_pictures(const TextsWithPictures::Pictures& pictures, std::int64_t n) {
  for (const auto& shown : pictures)
    if (shown->images != n) fail(ErrorKind::invalid_argument, "image_embeds are for ", shown->images, " images, sample has ", n);
}

/// What the UNet's way down leaves for a sample [n, c, h, w], and last what its middle does.
std::vector<std::vector<std::int64_t>> residual_shapes(const UNetConfig& c, std::int64_t n, std::int64_t h, std::int64_t w) {
  std::vector<std::vector<std::int64_t>> shapes{{n, c.levels[0].channels, h, w}};
  for (std::size_t i = 0; i < c.levels.size(); ++i) {
    const std::int64_t channels = c.levels[i].channels;
    shapes.insert(shapes.end(), static_cast<std::size_t>(c.levels[i].resnets), {n, channels, h, w});
    if (i + 1 == c.levels.size()) break;
    h = (h + 1) / 2, w = (w + 1) / 2;
    shapes.push_back({n, channels, h, w});
  }
  shapes.push_back({n, c.levels.back().channels, h, w});
  return shapes;
}

UNet::Control control_of(Backend& backend, const UNetConfig& c, const UNetResiduals& residuals, const TensorRef& sample) {
  const std::int64_t n = sample.shape[0];
  const auto shapes = residual_shapes(c, n, sample.shape[2], sample.shape[3]);
  if (residuals.down.size() + 1 != shapes.size())
    fail(ErrorKind::invalid_argument, "there are ", residuals.down.size(), " residuals for the way down, this UNet takes ", shapes.size() - 1);
  const auto taken = [&](const std::string& name, const TensorRef& t, const std::vector<std::int64_t>& shape) {
    require_shape(name, t, shape, written(shape));
    return images(backend, t, 0, n);
  };
  UNet::Control control;
  for (std::size_t i = 0; i < residuals.down.size(); ++i)
    control.skips.push_back(taken(concat("residual ", i, " of the way down"), residuals.down[i], shapes[i]));
  control.mid = taken("the middle's residual", residuals.mid, shapes.back());
  return control;
}

}  // namespace

UNetWalk::UNetWalk(int deep_cache_interval, float token_merging_ratio) {
  impl_ = guarded([&] {
    if (deep_cache_interval < 1 || deep_cache_interval > 100)
      fail(ErrorKind::invalid_argument, "deep_cache_interval is ", deep_cache_interval, ", allowed is 1 to 100");
    if (!(token_merging_ratio >= 0 && token_merging_ratio <= nn::TokenMerging::kMostMerged))
      fail(ErrorKind::invalid_argument, "token_merging_ratio is ", token_merging_ratio, ", allowed is 0 to ", nn::TokenMerging::kMostMerged);
    return std::make_shared<Impl>(Impl{{deep_cache_interval, token_merging_ratio}});
  });
}

HostTensor UNetModel::forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const UNetResiduals& residuals,
                              const ShouldStop& should_stop) const {
  UNetWalk walk;
  return forward(sample, timestep, texts, residuals, walk, should_stop);
}

HostTensor UNetModel::forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const UNetResiduals& residuals, UNetWalk& walk,
                              const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto net = impl_->net.get();
    Backend& backend = impl_->net.backend();
    const UNetConfig& c = net->config();
    require_shape("sample", sample, {0, c.in_channels, 0, 0}, concat("[n, ", c.in_channels, ", height, width]"));
    const std::int64_t n = sample.shape[0];
    require_texts(c, texts, n);
    UNet::Control control;
    if (!residuals.down.empty()) control = control_of(backend, c, residuals, sample);
    TextsWithPictures::Pictures pictures;
    for (const ShownPictures& shown : texts.pictures) pictures.push_back(shown.impl_);
    require_pictures(pictures, n);
    const auto text = impl_->with_pictures.get(conditioning(impl_->texts, *net, backend, texts), pictures);
    const Tensor x = images(backend, sample, 0, repeats(sample) ? n / 2 : n);
    UNetWalk::Impl& kept = *walk.impl_;
    const UNet::Control* added = control.mid ? &control : nullptr;
    if (kept.shortcuts.deep_cache_interval > 1) return to_nchw(kept.predict(net, text, x, timestep, added));
    return to_nchw(net->forward(x, timestep, *text, {.control = added, .token_merging_ratio = kept.shortcuts.token_merging_ratio}));
  });
}

HostTensor UNetModel::forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const ShouldStop& should_stop) const {
  return forward(sample, timestep, texts, UNetResiduals{}, should_stop);
}

ControlNetOutput ControlNetModel::forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const TensorRef& picture, float scale,
                                          const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto held = impl_->net.get();
    const ControlNet& net = *held;
    Backend& backend = impl_->net.backend();
    const UNetConfig& c = net.config().unet;
    require_shape("sample", sample, {0, c.in_channels, 0, 0}, concat("[n, ", c.in_channels, ", height, width]"));
    const std::int64_t n = sample.shape[0], h = sample.shape[2], w = sample.shape[3];
    require_texts(c, texts, n);
    const std::int64_t pictures = !picture.shape.empty() && picture.shape[0] == 1 ? 1 : n;
    require_shape("controlnet_cond", picture, {pictures, net.config().conditioning_channels, 8 * h, 8 * w},
                  concat("[1 or ", n, ", ", net.config().conditioning_channels, ", ", 8 * h, ", ", 8 * w, "] for this sample"));
    const auto text = conditioning(impl_->texts, net, backend, texts);
    const bool half = repeats(sample) && (pictures == 1 || repeats(picture));
    TensorRef seen = picture;
    seen.shape[0] = half && pictures > 1 ? pictures / 2 : pictures;
    const auto hint = impl_->pictures.get({seen}, [&] { return net.embed(images(backend, seen, 0, seen.shape[0])); });
    const UNet::Control control = net.forward(images(backend, sample, 0, half ? n / 2 : n), timestep, *text, *hint, scale);
    ControlNetOutput out;
    for (const Tensor& skip : control.skips) out.down.push_back(to_nchw(skip));
    out.mid = to_nchw(control.mid);
    return out;
  });
}

}  // namespace impasto
