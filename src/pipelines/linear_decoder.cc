#include "pipelines/linear_decoder.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "ops/ops.h"

namespace impasto {
namespace {

constexpr std::int64_t kSide = 32, kPatch = 4;  // latents of the sample, and of each of its patches of one value
constexpr std::size_t kColours = 3;

/// Patches of standard normal latents, [1, 32, 32, channels]: what has one colour over some latents is what a preview can show.
std::vector<float> patches(std::int64_t channels) {
  constexpr std::int64_t kAcross = kSide / kPatch;
  std::vector<float> normal(static_cast<std::size_t>(kAcross * kAcross * channels)), out;
  TorchGenerator(0).randn(normal.data(), static_cast<std::int64_t>(normal.size()));
  for (std::int64_t y = 0; y < kSide; ++y)
    for (std::int64_t x = 0; x < kSide; ++x) {
      const auto* patch = normal.data() + (y / kPatch * kAcross + x / kPatch) * channels;
      out.insert(out.end(), patch, patch + channels);
    }
  return out;
}

/// The decoded picture's mean colour over each latent's square, [32 * 32, 3], in -1..1.
std::vector<double> colours(const std::vector<float>& pixels, std::int64_t scale) {
  std::vector<double> means(kSide * kSide * kColours);
  const std::int64_t side = kSide * scale;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      for (std::size_t c = 0; c < kColours; ++c)
        means[static_cast<std::size_t>(y / scale * kSide + x / scale) * kColours + c] +=
            std::clamp<double>(pixels[static_cast<std::size_t>(y * side + x) * kColours + c], -1, 1) / static_cast<double>(scale * scale);
  return means;
}

/// Solves a x = b for symmetric positive a [n, n] and b [n, m], in place of b, by Gaussian elimination.
void solve(std::vector<double>& a, std::vector<double>& b, std::size_t n, std::size_t m) {
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
      for (std::size_t j = 0; j < m; ++j) b[i * m + j] -= factor * b[k * m + j];
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j) b[i * m + j] /= a[i * n + i];
}

}  // namespace

LinearDecoder::LinearDecoder(const VaeDecoder& decoder, const VaeConfig& config, Backend& backend)
    : channels_(static_cast<std::size_t>(config.latent_channels)) {
  const std::vector<float> latents = patches(config.latent_channels);
  const Tensor z = Tensor::from_host(backend, {1, kSide, kSide, config.latent_channels}, latents.data());
  const std::vector<double> seen = colours(decoder.forward(ops::combine({{1 / config.scaling_factor, z}})).to_host(), config.scale());
  // The normal equations of  [latents, 1] * map = colours,  a little ridge keeping them solvable whatever the sample.
  const std::size_t n = channels_ + 1;
  std::vector<double> products(n * n);
  map_.assign(n * kColours, 0);
  for (std::size_t i = 0; i < n; ++i) products[i * n + i] = 1e-6;
  for (std::size_t row = 0; row < kSide * kSide; ++row) {
    const auto at = [&](std::size_t i) { return i < channels_ ? static_cast<double>(latents[row * channels_ + i]) : 1.0; };
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) products[i * n + j] += at(i) * at(j);
      for (std::size_t c = 0; c < kColours; ++c) map_[i * kColours + c] += at(i) * seen[row * kColours + c];
    }
  }
  solve(products, map_, n, kColours);
}

Image LinearDecoder::decode(const Tensor& latents) const {
  const std::vector<float> values = latents.to_host();
  Image image{static_cast<int>(latents.dim(2)), static_cast<int>(latents.dim(1)), {}};
  for (std::size_t at = 0; at < values.size(); at += channels_)
    for (std::size_t c = 0; c < kColours; ++c) {
      double colour = map_[channels_ * kColours + c];
      for (std::size_t i = 0; i < channels_; ++i) colour += map_[i * kColours + c] * static_cast<double>(values[at + i]);
      const double shown = std::isfinite(colour) ? std::clamp(colour / 2 + 0.5, 0.0, 1.0) : 0.5;
      image.pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * shown)));
    }
  return image;
}

}  // namespace impasto
