// The public parts that take pictures as prompts.
#include <algorithm>
#include <cstring>

#include "models/image_encoder.h"
#include "models/ip_adapter.h"
#include "pipelines/clip_pixels.h"
#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"
#include "pipelines/found_model.h"
#include "pipelines/placement.h"

namespace impasto {

using nn::PictureKeyValue;

namespace {

UNetConfig unet_config_of(const std::string& text) {
  const char* where = "the UNet's config";
  return UNetConfig::parse({parse_json(text, where, {.python_constants = true}), where});
}

/// What `see` makes of each picture, [1, ...], one after the other.
template <typename See>
HostTensor seen(const ImageEncoder& encoder, const TensorRef& clip_input, const See& see) {
  const std::int64_t side = encoder.config().image_size, each = 3 * side * side;
  require_shape("clip_input", clip_input, {0, 3, side, side}, concat("[n, 3, ", side, ", ", side, "]"));
  HostTensor all;
  for (std::int64_t i = 0; i < clip_input.shape[0]; ++i) {
    const float* pixels = clip_input.values + i * each;
    const HostTensor one = to_host(see(std::vector<float>(pixels, pixels + each)));
    all.shape = one.shape;
    all.values.insert(all.values.end(), one.values.begin(), one.values.end());
  }
  all.shape[0] = clip_input.shape[0];
  return all;
}

/// Keys and values of several images, one after the other.
PictureKeyValue joined(const std::vector<const PictureKeyValue*>& images) {
  PictureKeyValue all = *images.front();
  for (std::size_t i = 1; i < images.size() && all.key; ++i) {
    all.key = ops::concat_images(all.key, images[i]->key);
    all.value = ops::concat_images(all.value, images[i]->value);
  }
  return all;
}

/// Of one image's k pictures, `values` [k, c] or [k, t, c], as `embeds` [n, k, ...] has them: [tokens, context_channels].
Tensor tokens_of(const IpAdapter& adapter, Backend& backend, const TensorRef& embeds, const float* values) {
  Shape one(std::vector<std::int64_t>(embeds.shape.begin() + 1, embeds.shape.end()));
  one[0] = 1;
  Tensor all;
  for (std::int64_t k = 0; k < embeds.shape[1]; ++k) {
    const Tensor tokens = adapter.tokens(Tensor::from_host(backend, one, values + k * one.count()));
    all = all ? ops::concat_images(all, tokens) : tokens;
  }
  return all;
}

}  // namespace

ImageEncoderModel ImageEncoderModel::load(const std::string& folder, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    const FoundNetwork found = open_component(folder, "image_encoder", "CLIPVisionModelWithProjection");
    const OwnWeights weights(found.weights, options.map_weights);
    return ImageEncoderModel(built<Impl>(own<ImageEncoder>(chosen_backend(options), ImageEncoder::parse(*found.config), weights)));
  });
}

HostTensor ImageEncoderModel::clip_input(const Image& image) const {
  return guarded([&] {
    const std::int64_t side = impl_->net.get()->config().image_size;
    return HostTensor{{1, 3, side, side}, clip_pixels(image, side)};
  });
}

HostTensor ImageEncoderModel::embeds(const TensorRef& clip_input, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto net = impl_->net.get();
    return seen(*net, clip_input, [&](const std::vector<float>& pixels) { return net->embed(pixels); });
  });
}

HostTensor ImageEncoderModel::states(const TensorRef& clip_input, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto net = impl_->net.get();
    return seen(*net, clip_input, [&](const std::vector<float>& pixels) { return net->penultimate_states(pixels); });
  });
}

IpAdapterModel IpAdapterModel::load_file(const std::string& path, const std::string& unet_config, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    const OwnWeights weights(open_weights_file(path), options.map_weights);
    return IpAdapterModel(built<Impl>(own<IpAdapter>(chosen_backend(options), unet_config_of(unet_config), weights)));
  });
}

IpAdapterModel IpAdapterModel::from_weights(const std::string& unet_config, const GivenWeights& weights, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return IpAdapterModel(built<Impl>(own<IpAdapter>(chosen_backend(options), unet_config_of(unet_config), given(weights)))); });
}

bool IpAdapterModel::takes_states() const {
  return guarded([&] { return impl_->net.get()->projection().takes_states(); });
}

ShownPictures IpAdapterModel::show(const TensorRef& embeds, const std::vector<float>& scales, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto net = impl_->net.get();
    const bool states = net->projection().takes_states();
    const std::int64_t columns = net->projection().picture_channels;
    require_shape("image_embeds", embeds, states ? std::vector<std::int64_t>{0, 0, 0, columns} : std::vector<std::int64_t>{0, 0, columns},
                  concat("[n, pictures, ", states ? "tokens, " : "", columns, "] for this IP-Adapter"));
    if (scales.size() != 1 && scales.size() != net->attentions())
      fail(ErrorKind::invalid_argument, "there are ", scales.size(), " scales for ", net->attentions(),
           " cross-attentions; give one for all, or one ", "for each");
    const std::size_t each = count(embeds.shape) / static_cast<std::size_t>(embeds.shape[0]);
    std::vector<const float*> different;  // embeddings of images that are not those of one before
    std::vector<std::vector<PictureKeyValue>> attended;
    std::vector<std::size_t> places;
    for (std::int64_t i = 0; i < embeds.shape[0]; ++i) {
      const float* values = embeds.values + static_cast<std::size_t>(i) * each;
      const auto known =
          std::find_if(different.begin(), different.end(), [&](const float* d) { return std::memcmp(d, values, each * sizeof(float)) == 0; });
      places.push_back(static_cast<std::size_t>(known - different.begin()));
      if (known != different.end()) continue;
      different.push_back(values);
      attended.push_back(net->attend(tokens_of(*net, impl_->net.backend(), embeds, values), scales));
    }
    auto shown = std::make_shared<ShownPictures::Impl>();
    shown->images = embeds.shape[0];
    for (std::size_t a = 0; a < net->attentions(); ++a) {
      std::vector<const PictureKeyValue*> images;
      for (const std::size_t place : places) images.push_back(&attended[place][a]);
      shown->attentions.push_back(joined(images));
    }
    return ShownPictures(std::move(shown));
  });
}

TextsWithPictures::Conditioning TextsWithPictures::get(const Conditioning& texts, const Pictures& pictures) {
  constexpr std::size_t kMost = 4;  // two each for two callers
  if (pictures.empty()) return texts;
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.texts == texts && e.pictures == pictures; });
  if (known != entries_.end()) return known->both;
  auto both = std::make_shared<UNet::Conditioning>(*texts);
  for (const auto& shown : pictures) {
    if (shown->attentions.size() != both->attentions.size())
      fail(ErrorKind::invalid_argument, "image_embeds are for a UNet of ", shown->attentions.size(), " cross-attentions, this one has ",
           both->attentions.size());
    for (std::size_t i = 0; i < both->attentions.size(); ++i) {
      const PictureKeyValue& kv = shown->attentions[i];
      Backend& backend = both->attentions[i].key.backend();
      both->attentions[i].pictures.push_back(kv.key ? PictureKeyValue{kv.key.on(backend), kv.value.on(backend)} : kv);
    }
  }
  if (entries_.size() == kMost) entries_.erase(entries_.begin());
  entries_.push_back({texts, pictures, both});
  return entries_.back().both;
}

void TextsWithPictures::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::vector<std::string> cross_attention_names(const std::string& unet_config) {
  return guarded([&] { return IpAdapter::attention_names(unet_config_of(unet_config)); });
}

}  // namespace impasto
