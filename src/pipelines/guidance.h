// Leading the picture towards the prompt and away from the negative prompt.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/tensor.h"

namespace impasto {

/// Classifier-free guidance (Ho and Salimans, 2022): negative + scale * (positive - negative). With rescale > 0 the result's spread is
/// brought back towards the positive half's, image by image (Lin et al., 2023, section 3.4).
/// both [2n, h, w, c]: the negative half first; result [n, h, w, c].
Tensor guide(const Tensor& both, float scale, float rescale);

/// A guidance scale for models that are told it: sines and cosines of 1000 * (scale - 1), `channels` numbers in all (Meng et al., 2023; diffusers'
/// get_guidance_scale_embedding).
std::vector<float> guidance_embedding(float scale, std::int64_t channels);

/// InstructPix2Pix (Brooks et al., 2023): without + picture_scale * (negative - without) + scale * (positive - negative), `without` being what is
/// predicted under the negative prompt without the picture, [n, h, w, c].
Tensor guide_by_picture(const Tensor& without, const Tensor& both, float scale, float picture_scale);

}  // namespace impasto
