#include "pipelines/inpaint_picture.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"
#include "core/memory.h"
#include "image/extend.h"
#include "image/mask.h"
#include "image/pixels.h"
#include "image/resample.h"
#include "pipelines/options.h"
#include "pipelines/starting_picture.h"

namespace impasto {
namespace {

constexpr int kSeam = 4, kMostPixels = 16384;
constexpr float kMostBlur = 256;

/// Looks at the grown picture's size before memory is taken for it.
void require_room(const InpaintOptions& o) {
  constexpr std::int64_t kMostCanvas = 178'956'970;       // as many as are read from a file
  constexpr std::int64_t kBytesPerPixel = 3 * 3 + 3 + 2;  // the picture thrice, masks, and the distances that the seam is made of
  const std::int64_t width = std::int64_t{o.image.width} + o.extend.left + o.extend.right,
                     height = std::int64_t{o.image.height} + o.extend.top + o.extend.bottom;
  if (width * height > kMostCanvas)
    fail(ErrorKind::invalid_argument, "extend makes image ", width, " x ", height, " pixels, allowed are ", kMostCanvas / 1'000'000, " million");
  if (width * height * kBytesPerPixel > available_memory())
    fail(ErrorKind::out_of_memory, "image of ", width, " x ", height, " pixels does not fit in the memory that is left; make it smaller first");
}

void require_options(const InpaintOptions& o) {
  if (o.image_latents.has_value() != o.denoising_start.has_value())
    fail(ErrorKind::invalid_argument, "image_latents and denoising_start go together in inpainting: what was drawn up to there; give both or none");
  require_start(o);
  require_pixels(o.image);
  if (!(o.mask_blur >= 0 && o.mask_blur <= kMostBlur))
    fail(ErrorKind::invalid_argument, "mask_blur is ", o.mask_blur, ", allowed is 0 to ", kMostBlur);
  if (o.inpaint_padding < 0 || o.inpaint_padding > kMostPixels)
    fail(ErrorKind::invalid_argument, "inpaint_padding is ", o.inpaint_padding, ", allowed is 0 to ", kMostPixels);
  for (const int margin : {o.extend.left, o.extend.top, o.extend.right, o.extend.bottom})
    if (margin < 0 || margin > kMostPixels) fail(ErrorKind::invalid_argument, "extend is ", margin, " on one side, allowed is 0 to ", kMostPixels);
  require_room(o);
}

bool extends(const Margins& m) { return m.left + m.top + m.right + m.bottom > 0; }

/// The mask as the user means it, of the picture's size before it grows.
Pixels read_mask(const InpaintOptions& o, std::vector<std::string>& warnings) {
  const Image &image = o.image, &mask = o.mask_image;
  if (mask.width == 0 && extends(o.extend)) return {image.width, image.height, 1};
  if (!is_whole(mask))
    fail(ErrorKind::invalid_argument, "mask_image is ", mask.width, " x ", mask.height, " pixels and has ", mask.pixels.size(),
         " bytes; a picture that is white where to repaint is needed");
  Pixels grey = to_grey(view_of(mask));
  if (mask.width != image.width || mask.height != image.height) {
    warnings.push_back(concat("mask_image is ", mask.width, " x ", mask.height, " pixels and image ", image.width, " x ", image.height,
                              ": the mask was resized to the picture"));
    grey = resample(grey.view(), whole(grey.view()), image.width, image.height, ResizeFilter::lanczos);
  }
  if (o.invert_mask) invert(grey);
  return grey;
}

/// Throws unless some of the mask counts as white.
void require_white(const Pixels& mask, bool inverted) {
  const int lightest = *std::max_element(mask.values.begin(), mask.values.end());
  if (lightest >= 128) return;
  const std::string why =
      lightest == 0 ? (inverted ? "white all over, and invert_mask is set" : "black all over")
                    : concat("nowhere white: white counts from 128 of 255, and ", inverted ? "inverted " : "", "the mask reaches ", lightest);
  fail(ErrorKind::invalid_argument, "mask_image is ", why, ", so that nothing would be repainted; paint ", inverted ? "black" : "white",
       " what is to be new");
}

Pixels drawn_mask(const InpaintOptions& o, std::vector<std::string>& warnings) {
  Pixels mask = extended_mask(read_mask(o, warnings).view(), o.extend);
  require_white(mask, o.invert_mask);
  return mask;
}

void require_model_for_masks(const Checkpoint& c) {
  if (c.info.editing) require_ordinary_model(c);  // throws
}

TextToImageOptions sized_for(const InpaintOptions& o, const Pixels& canvas, const Checkpoint& c) {
  TextToImageOptions sized = o;
  if (o.inpaint_area == InpaintArea::whole) return sized_like({canvas.width, canvas.height, {}}, o, c);
  if (sized.width == 0) sized.width = c.info.width;
  if (sized.height == 0) sized.height = c.info.height;
  return sized;
}

Region drawn_region(const InpaintOptions& o, const TextToImageOptions& sized, const Pixels& mask, const Pixels& soft) {
  // A size out of range is refused later, with all other options.
  if (o.inpaint_area == InpaintArea::whole || sized.width < 1 || sized.height < 1) return {0, 0, mask.width, mask.height};
  const bool blurred_away = std::all_of(soft.values.begin(), soft.values.end(), [](std::uint8_t v) { return v == 0; });
  return crop_region((blurred_away ? mask : soft).view(), sized.width, sized.height, o.inpaint_padding);
}

}  // namespace

InpaintPicture::InpaintPicture(const InpaintOptions& o, const Checkpoint& checkpoint, std::vector<std::string>& warnings)
    : area_(o.inpaint_area),
      keep_unmasked_(o.keep_unmasked),
      keeps_size_(crops() || (o.keep_unmasked && o.width == 0 && o.height == 0)),
      seam_(o.mask_blur > 0 ? static_cast<int>(std::lround(2 * o.mask_blur)) : kSeam),
      canvas_((require_model_for_masks(checkpoint), require_options(o), extended(view_of(o.image), o.extend))),
      mask_(drawn_mask(o, warnings)),
      soft_(gaussian_blur(mask_, o.mask_blur)),
      sized_(sized_for(o, canvas_, checkpoint)),
      region_(drawn_region(o, sized_, mask_, soft_)) {
  if (!o.image_latents) return;
  require_image_latents(o, checkpoint);
  sized_like(*o.image_latents, sized_, checkpoint);  // throws
}

Image InpaintPicture::working_image() const {
  const PixelView canvas = canvas_.view();
  if (!crops()) return to_image(resample(canvas, whole(canvas), sized_.width, sized_.height, ResizeFilter::lanczos));
  return to_image(resize_and_fill(crop(canvas, region_).view(), sized_.width, sized_.height));
}

Pixels InpaintPicture::working_mask() const {
  const PixelView soft = soft_.view();
  Pixels mask = crops() ? resize_and_fill(crop(soft, region_).view(), sized_.width, sized_.height)
                        : resample(soft, whole(soft), sized_.width, sized_.height, ResizeFilter::lanczos);
  for (std::uint8_t& value : mask.values) value = value < 128 ? 0 : 255;
  return mask;
}

/// How much of the painted picture shows; of the results' size.
Pixels InpaintPicture::weights() const {
  if (keeps_size_) return seam_weights(mask_.view(), seam_);
  return seam_weights(resample(mask_.view(), whole(mask_.view()), sized_.width, sized_.height, ResizeFilter::lanczos).view(), seam_);
}

/// The base with the painted picture in the place that it was drawn for, without regard to the mask.
Pixels InpaintPicture::laid_over(const Pixels& base, const Image& painted) const {
  if (!crops()) return Pixels(resize(painted, base.width, base.height));
  Pixels out = base;
  paste(out, resize_and_crop(view_of(painted), region_.width(), region_.height()).view(), region_.left, region_.top);
  return out;
}

void InpaintPicture::put_in_place(std::vector<Image>& images) const {
  if (images.empty() || (!keep_unmasked_ && !crops())) return;
  const Pixels base = keeps_size_ ? canvas_ : Pixels(working_image()), weight = keep_unmasked_ ? weights() : Pixels(0, 0, 1);
  for (Image& image : images) {
    Pixels painted = laid_over(base, image);
    if (keep_unmasked_) {
      Pixels onto = base;
      blend(onto, painted.view(), weight.view());
      painted = std::move(onto);
    }
    image = to_image(std::move(painted));
  }
}

}  // namespace impasto
