#include "pipelines/picture_prompts.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/fail.h"
#include "image/pixels.h"
#include "ops/ops.h"
#include "pipelines/clip_pixels.h"
#include "pipelines/component_tensors.h"
#include "pipelines/networks.h"

namespace impasto {

using nn::PictureKeyValue;

namespace {

/// Rows of several tensors [t, c], one after the other.
Tensor joined(const std::vector<Tensor>& rows) {
  Tensor all = rows.front();
  for (std::size_t i = 1; i < rows.size(); ++i) all = ops::concat_images(all, rows[i]);
  return all;
}

/// One IP-Adapter, asked about the pictures of one call.
class Viewer {
 public:
  Viewer(const PictureNetwork& network, const IpAdapterImage& image, std::size_t place, Backend& backend)
      : network_(network), image_(image), name_(concat("ip_adapter_images[", place, "]")), adapter_(network.adapter.get()), backend_(backend) {
    if (!image.embeds || (!image.negative_embeds && network.projection.takes_states())) encoder_ = require_encoder();
  }

  /// [tokens, context_channels]
  Tensor tokens() const {
    if (image_.embeds) return tokens_of(given("embeds", *image_.embeds));
    std::vector<Tensor> seen;
    for (const Image& image : image_.images) seen.push_back(look(clip_pixels(image, encoder_->config().image_size)));
    return tokens_of(seen);
  }
  /// REQUIRES: tokens(), which looks at what was given.
  Tensor negative_tokens() const {
    if (image_.negative_embeds) return tokens_of(given("negative_embeds", *image_.negative_embeds));
    const std::size_t pictures = image_.embeds ? static_cast<std::size_t>(image_.embeds->shape[0]) : image_.images.size();
    const ImageProjectionConfig& projection = network_.projection;
    const std::vector<float> zeros(static_cast<std::size_t>(projection.picture_channels));
    const Tensor nothing =
        projection.takes_states() ? look(std::vector<float>(pixels())) : Tensor::from_host(backend_, {1, projection.picture_channels}, zeros.data());
    return joined(std::vector<Tensor>(pictures, adapter_->tokens(nothing)));
  }
  std::vector<PictureKeyValue> attend(const Tensor& tokens) const { return adapter_->attend(tokens, std::span(&image_.scale, 1)); }

 private:
  std::shared_ptr<const ImageEncoder> require_encoder() const {
    if (network_.encoder) return network_.encoder->get();
    fail(ErrorKind::invalid_argument, network_.path, image_.embeds ? ": negative_embeds are missing, and" : ":",
         " there is no image encoder to look at pictures: no folder \"image_encoder\" is beside the file or in the checkpoint; name one ",
         "(IpAdapterFile::image_encoder, --image-encoder DIR)");
  }

  std::size_t pixels() const { return static_cast<std::size_t>(3 * encoder_->config().image_size * encoder_->config().image_size); }
  Tensor look(const std::vector<float>& pixels) const {
    return network_.projection.takes_states() ? encoder_->penultimate_states(pixels) : encoder_->embed(pixels);
  }
  Tensor tokens_of(const std::vector<Tensor>& seen) const {
    std::vector<Tensor> tokens;
    for (const Tensor& one : seen) tokens.push_back(adapter_->tokens(one));
    return joined(tokens);
  }

  /// Of embeddings [k, c] or [k, t, c], each picture's, [1, c] or [1, t, c].
  std::vector<Tensor> given(const char* field, const HostTensor& embeds) const {
    const bool states = network_.projection.takes_states();
    const std::int64_t columns = network_.projection.picture_channels;
    const std::size_t rank = states ? 3 : 2;
    const auto& dims = embeds.shape;
    std::int64_t count = 1;
    bool fits = dims.size() == rank && dims.back() == columns;
    for (const std::int64_t d : dims) fits = fits && d > 0 && !__builtin_mul_overflow(count, d, &count);
    if (!fits || embeds.values.size() != static_cast<std::size_t>(count))
      fail(ErrorKind::invalid_argument, name_, '.', field, " has shape ", written(dims), " and ", embeds.values.size(), " values; ", network_.path,
           " takes [pictures, ", states ? "tokens, " : "", columns, "]");
    std::vector<Tensor> pictures;
    Shape one(dims);
    one[0] = 1;
    for (std::int64_t i = 0; i < dims[0]; ++i) pictures.push_back(Tensor::from_host(backend_, one, embeds.values.data() + i * one.count()));
    return pictures;
  }

  const PictureNetwork& network_;
  const IpAdapterImage& image_;
  std::string name_;
  std::shared_ptr<const IpAdapter> adapter_;
  std::shared_ptr<const ImageEncoder> encoder_ = {};
  Backend& backend_;
};

/// The prompt's side for `prompts` images, behind the negative prompt's for the rest of them.
Tensor for_images(const Tensor& negative, const Tensor& prompt, std::int64_t images, std::int64_t prompts) {
  if (prompts == 0) return ops::tile_images(negative, images);
  const Tensor last = ops::tile_images(prompt, prompts);
  return prompts == images ? last : ops::concat_images(ops::tile_images(negative, images - prompts), last);
}

}  // namespace

void add_picture_prompts(const std::vector<PicturePrompt>& pictures, std::int64_t prompts, UNet::Conditioning& conditioning) {
  const std::int64_t images = conditioning.images();
  for (const PicturePrompt& picture : pictures)
    for (std::size_t i = 0; i < conditioning.attentions.size(); ++i) {
      const PictureKeyValue& prompt = picture.prompt[i];
      const PictureKeyValue negative = prompts == images ? PictureKeyValue() : picture.negative_prompt[i];
      PictureKeyValue& added = conditioning.attentions[i].pictures.emplace_back();
      if (!prompt.key) continue;
      added.key = for_images(negative.key, prompt.key, images, prompts);
      added.value = for_images(negative.value, prompt.value, images, prompts);
    }
}

void check_picture_prompts(const TextToImageOptions& options) {
  for (std::size_t i = 0; i < options.ip_adapter_images.size(); ++i) {
    const IpAdapterImage& image = options.ip_adapter_images[i];
    const std::string name = concat("ip_adapter_images[", i, "]");
    if (!std::isfinite(image.scale)) fail(ErrorKind::invalid_argument, name, ".scale is ", image.scale, ", which is not a number");
    if (image.images.empty() != image.embeds.has_value())
      fail(ErrorKind::invalid_argument, name, image.embeds ? " has images and embeds; it takes one of the two" : " has no images");
    for (const Image& picture : image.images)
      if (!is_whole(picture))
        fail(ErrorKind::invalid_argument, name, " has an image of ", picture.width, " x ", picture.height, " pixels with ", picture.pixels.size(),
             " bytes");
  }
}

std::vector<PicturePrompt> picture_prompts_for(const Networks& net, const TextToImageOptions& options) {
  if (options.ip_adapter_images.size() != net.ip_adapters.size())
    fail(ErrorKind::invalid_argument, "ip_adapter_images has ", options.ip_adapter_images.size(), " entries for ", net.ip_adapters.size(),
         " IP-Adapters");
  std::vector<PicturePrompt> prompts;
  for (std::size_t i = 0; i < net.ip_adapters.size(); ++i) {
    const IpAdapterImage& image = options.ip_adapter_images[i];
    if (image.scale == 0) continue;
    const Viewer viewer(net.ip_adapters[i], image, i, net.backend);
    PicturePrompt prompt{viewer.attend(viewer.tokens()), {}};
    if (net.checkpoint.unet.guided_at(*options.guidance_scale)) prompt.negative_prompt = viewer.attend(viewer.negative_tokens());
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace impasto
