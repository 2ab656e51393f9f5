#include "pipelines/memory_estimate.h"

#include <algorithm>

#include "core/guard.h"
#include "core/memory.h"
#include "pipelines/checkpoint.h"

namespace impasto {
namespace {

/// The skips of every level, and the widest moment of a level: a feed-forward layer's 4c hidden columns beside x and its norm, or the
/// first resnet on the way up: the joined map (up to 3c), its convolution's transformed input (2.25 times that) and two maps of c.
std::int64_t unet_memory(const UNetConfig& unet, std::int64_t h, std::int64_t w, std::int64_t batch, std::int64_t element) {
  std::int64_t skips = 0, widest = 0;
  for (const UNetLevel& level : unet.levels) {
    const std::int64_t map = batch * h * w * level.channels * element;
    skips += (level.resnets + 1) * map;
    widest = std::max(widest, 12 * map);
    h = (h + 1) / 2;
    w = (w + 1) / 2;
  }
  return skips + widest;
}

/// The last level's first resnet at full size: its input comes from a level of twice the width, and there are its convolution's
/// transformed input, the hidden map and the shortcut. Pictures are decoded one by one. The encoder
/// takes less: its first level is as wide, and reads no wider one.
std::int64_t vae_memory(const VaeConfig& vae, std::int64_t height, std::int64_t width, std::int64_t element) {
  const std::int64_t last = vae.channels[0], before = vae.channels[std::min<std::size_t>(1, vae.channels.size() - 1)];
  return height * width * element * (2 * before + 3 * last);
}

}  // namespace

std::int64_t ActivationMemory::on_one_device() const { return std::max(unet, vae) + pictures; }

ActivationMemory activation_memory(const UNetConfig& unet, const VaeConfig& vae, std::int64_t height, std::int64_t width, std::int64_t images,
                                   bool guided, bool tiled, DType unet_type, DType vae_type) {
  const std::int64_t h = height / vae.scale(), w = width / vae.scale();
  const std::int64_t side = tiled ? vae.tile_side() * vae.scale() : std::max(height, width);
  const auto bytes = [](DType type) { return static_cast<std::int64_t>(size_of(type)); };
  constexpr std::int64_t kEachValue = sizeof(float) + 2;  // as decoded, and as bytes, twice
  return {.unet = unet_memory(unet, h, w, images * (guided ? 2 : 1), bytes(unet_type)),
          .vae = vae_memory(vae, std::min(height, side), std::min(width, side), bytes(vae_type)),
          .pictures = images * height * width * 3 * kEachValue};
}

std::int64_t predicted_peak_memory(const ModelInfo& info, int height, int width, int num_images) {
  constexpr std::int64_t kProcess = 64 << 20;  // code, tables, the tokenizer
  return guarded([&] {
    const Checkpoint c = Checkpoint::open(info.path, info.parts);
    std::int64_t weights = 0;
    for (const ComponentInfo& component : info.components) weights += component.bytes;
    return kProcess + weights + activation_memory(c.unet, c.vae, height, width, num_images, /*guided=*/true).on_one_device();
  });
}

}  // namespace impasto
