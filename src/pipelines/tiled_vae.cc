#include "pipelines/tiled_vae.h"

#include <algorithm>
#include <functional>

namespace impasto {
namespace {

/// A map on the host, [height, width, channels].
struct HostMap {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<float> values;

  HostMap(std::int64_t h, std::int64_t w, std::int64_t c) : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c)) {}
  explicit HostMap(const Tensor& t) : height(t.dim(1)), width(t.dim(2)), channels(t.dim(3)), values(t.to_host()) {}

  float* at(std::int64_t y, std::int64_t x) { return &values[static_cast<std::size_t>((y * width + x) * channels)]; }
  const float* at(std::int64_t y, std::int64_t x) const { return &values[static_cast<std::size_t>((y * width + x) * channels)]; }
};

struct Squares {
  std::int64_t input, step;  // side and distance of the squares that go in
  std::int64_t kept, blend;  // of what comes out of a square: the side that is kept, and how far it fades into the next
};

Tensor square_at(const HostMap& map, std::int64_t top, std::int64_t left, std::int64_t side, Backend& backend) {
  const std::int64_t h = std::min(side, map.height - top), w = std::min(side, map.width - left);
  HostMap cut(h, w, map.channels);
  for (std::int64_t y = 0; y < h; ++y) std::copy_n(map.at(top + y, left), w * map.channels, cut.at(y, 0));
  return Tensor::from_host(backend, {1, h, w, map.channels}, cut.values.data());
}

void fade(const float* from, float* to, std::int64_t count, float share) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] * (1 - share) + to[i] * share;
}

/// The top of `below` out of the bottom of `above`.
void blend_rows(const HostMap& above, HostMap& below, std::int64_t most) {
  const std::int64_t extent = std::min({above.height, below.height, most});
  for (std::int64_t y = 0; y < extent; ++y)
    fade(above.at(above.height - extent + y, 0), below.at(y, 0), below.width * below.channels, static_cast<float>(y) / static_cast<float>(extent));
}

void blend_columns(const HostMap& left, HostMap& right, std::int64_t most) {
  const std::int64_t extent = std::min({left.width, right.width, most});
  for (std::int64_t y = 0; y < right.height; ++y)
    for (std::int64_t x = 0; x < extent; ++x)
      fade(left.at(y, left.width - extent + x), right.at(y, x), right.channels, static_cast<float>(x) / static_cast<float>(extent));
}

/// Of a square, the part that is kept goes to its place.
void place(const HostMap& square, std::int64_t top, std::int64_t left, std::int64_t kept, HostMap& out) {
  const std::int64_t h = std::min({kept, square.height, out.height - top}), w = std::min({kept, square.width, out.width - left});
  for (std::int64_t y = 0; y < h; ++y) std::copy_n(square.at(y, 0), w * square.channels, out.at(top + y, left));
}

Tensor in_squares(const Tensor& x, const Squares& s, HostMap out, const std::function<Tensor(const Tensor&)>& network) {
  const HostMap in(x);
  std::vector<HostMap> row_above;
  for (std::int64_t top = 0, row = 0; top < in.height; top += s.step, ++row) {
    std::vector<HostMap> squares;
    for (std::int64_t left = 0, column = 0; left < in.width; left += s.step, ++column) {
      HostMap square(network(square_at(in, top, left, s.input, x.backend())));
      if (row > 0) blend_rows(row_above[static_cast<std::size_t>(column)], square, s.blend);
      if (column > 0) blend_columns(squares.back(), square, s.blend);
      place(square, row * s.kept, column * s.kept, s.kept, out);
      squares.push_back(std::move(square));
    }
    row_above = std::move(squares);
  }
  return Tensor::from_host(x.backend(), {1, out.height, out.width, out.channels}, out.values.data());
}

bool fits(const Tensor& x, std::int64_t side) { return x.dim(1) <= side && x.dim(2) <= side; }

}  // namespace

Tensor decode_in_tiles(const VaeDecoder& decoder, const VaeConfig& config, const Tensor& latents) {
  const std::int64_t scale = config.scale(), side = config.tile_side();
  if (fits(latents, side)) return decoder.forward(latents);
  const std::int64_t overlap = side / 4;
  return in_squares(latents, {side, side - overlap, (side - overlap) * scale, overlap * scale},
                    HostMap(latents.dim(1) * scale, latents.dim(2) * scale, config.out_channels),
                    [&](const Tensor& t) { return decoder.forward(t); });
}

Tensor encode_in_tiles(const VaeEncoder& encoder, const VaeConfig& config, const Tensor& pixels) {
  const std::int64_t scale = config.scale(), side = config.tile_side();
  if (fits(pixels, side * scale)) return encoder.forward(pixels);
  const std::int64_t overlap = side / 4;
  return in_squares(pixels, {side * scale, (side - overlap) * scale, side - overlap, overlap},
                    HostMap(pixels.dim(1) / scale, pixels.dim(2) / scale, 2 * config.latent_channels),
                    [&](const Tensor& t) { return encoder.forward(t); });
}

}  // namespace impasto
