// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): see winograd_kernels.h for the algebra.
//
// The image is cut into squares of 4 x 4 outputs ("tiles"). All inputs of a stretch of tiles are transformed first (V); then, for a panel of
// output channels at a time, the filters are transformed from their stored 16 bits (U), multiplied with V at each of the 36 points, and
// the sums (M) are transformed back and stored:
//
//   for each stretch of tiles whose V fits kStretchBytes
//     for each group of tiles, block of kBlock input channels                      shared out over threads
//       V[block][point][tile][channel] = B^T act(x scale + shift) B
//     for each panel of output channels, part of at most kPartTiles tiles          shared out over threads
//       for each block of input channels
//         U[point][channel][panel] = G g G^T
//         for each point: M[point][tile][panel] += V[block][point] U[point]
//       out = epilogue(A^T M A)
//
// U and M (36 x 64 x 32 and 36 x 128 x 32 floats on AVX-512: 295 + 590 KiB; half of it on AVX2) are read and written in order from the
// second-level cache; V comes from the third-level one and each of its elements is used for a whole panel. Transforming the filters anew
// for each part costs about 20 cycles for a pair of channels, against 36 * tiles / 16 for multiplying: 7 % at 128 tiles. Keeping all
// filters transformed would take four times the memory of float32 weights, 8 GB for SD 1.5, and about as long to read.
//
// Activating, transforming and storing read and write many short pieces, which the hardware does not foresee: they are asked for ahead, worth 3 to 9
// %.
//
// Tried and left: F(6x6, 3x3), whose error reaches 1.4e-5 of the largest value and which on AVX-512 is slower from 256 channels on (its
// transforms wait for memory; on AVX2 it gains 6 to 16 %); filters transformed once per call, which come from the third-level cache more
// slowly than they are made anew.
//
// Sums over 64 channels are made in registers and then added up, so rounding errors hardly grow with the number of channels: 1.2e-6 to
// 1.4e-6 RMS for 64 to 2560 channels, where one long chain had 1.2e-6 to 6.5e-6.
//
// A tile's arithmetic depends on nothing but its own inputs and the fixed blocks of kBlock channels.
#include <algorithm>
#include <atomic>

#include "backend/cpu/conv.h"
#include "backend/cpu/winograd_kernels.h"
#include "core/threads.h"

namespace impasto {
namespace {

constexpr std::int64_t kTile = WinogradKernels::kTile, kPatch = WinogradKernels::kPatch, kPoints = WinogradKernels::kPoints;
constexpr std::int64_t kBlock = 64;                              // input channels
constexpr std::int64_t kGroupRows = 4, kGroupColumns = 16;       // tiles loaded together, so that few pixels are activated twice
constexpr std::int64_t kPartTiles = 128;                         // tiles whose sums are held at once
constexpr std::int64_t kStretchBytes = std::int64_t{16} << 20;   // of V: a third-level cache's worth
constexpr std::int64_t kPadding = 16;                            // floats between points, so that they do not all meet in one cache set
constexpr std::int64_t kGroupWidth = kGroupColumns * kTile + 2;  // pixels
constexpr std::int64_t kGroupPixels = (kGroupRows * kTile + 2) * kGroupWidth;
constexpr std::int64_t kPixelsAhead = 8;  // of the one being loaded

void prefetch(const float* from, std::int64_t floats) {
  for (std::int64_t i = 0; i < floats; i += 16) __builtin_prefetch(from + i);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

struct Position {
  std::int64_t image, y, x;  // of a tile, in tiles
};

/// A rectangle of tiles of one image. Tiles are numbered group by group.
struct Group {
  std::int64_t image, y, x, rows, columns;  // in tiles
  std::int64_t first;                       // number of its first tile
};

/// The tiles of an output, in the order in which they are worked on.
class Tiling {
 public:
  Tiling(std::int64_t images, std::int64_t height, std::int64_t width)
      : rows_(ceil_div(height, kTile)), columns_(ceil_div(width, kTile)), images_(images) {}

  std::int64_t groups() const { return images_ * bands() * groups_per_band(); }
  std::int64_t tiles() const { return images_ * rows_ * columns_; }

  Group group(std::int64_t index) const {
    Group g;
    g.image = index / (bands() * groups_per_band());
    g.y = index / groups_per_band() % bands() * kGroupRows;
    g.x = index % groups_per_band() * kGroupColumns;
    g.rows = std::min(kGroupRows, rows_ - g.y);
    g.columns = std::min(kGroupColumns, columns_ - g.x);
    g.first = (g.image * rows_ + g.y) * columns_ + g.x * g.rows;
    return g;
  }

  Position position(std::int64_t tile) const {
    const std::int64_t image = tile / (rows_ * columns_);
    tile %= rows_ * columns_;
    const std::int64_t y = tile / (kGroupRows * columns_) * kGroupRows, rows = std::min(kGroupRows, rows_ - y);
    tile -= y * columns_;
    const std::int64_t x = tile / (rows * kGroupColumns) * kGroupColumns, columns = std::min(kGroupColumns, columns_ - x);
    tile -= x * rows;
    return {image, y + tile / columns, x + tile % columns};
  }

 private:
  std::int64_t bands() const { return ceil_div(rows_, kGroupRows); }
  std::int64_t groups_per_band() const { return ceil_div(columns_, kGroupColumns); }

  std::int64_t rows_, columns_, images_;
};

class WinogradConv {
 public:
  WinogradConv(BlockPool& pool, DType arithmetic, const TensorView& x, const ConvWeights& w, const Prologue& prologue, const Epilogue& epilogue,
               const TensorView& out)
      : pool_(pool),
        gemm_(gemm_kernels(arithmetic)),
        kernels_(winograd_kernels(arithmetic)),
        x_(x),
        w_(w),
        prologue_(prologue),
        target_(tile_target(out, w.bias.data(), epilogue, /*gated=*/false)),
        height_(out.shape[1]),
        width_(out.shape[2]),
        channels_(x.shape[3]),
        blocks_(ceil_div(channels_, kBlock)),
        panels_(ceil_div(out.shape[3], gemm_.width)),
        tiling_(out.shape[0], height_, width_) {}

  void run() {
    const std::int64_t most_tiles =
        std::max<std::int64_t>(1, kStretchBytes / (kPoints * blocks_ * kBlock * static_cast<std::int64_t>(sizeof(float))));
    for (std::int64_t group = 0, end; group < tiling_.groups(); group = end) {
      const std::int64_t first = tiling_.group(group).first;
      for (end = group + 1; end < tiling_.groups() && end_of(end) - first <= most_tiles;) ++end;
      run_stretch(group, end, first, end_of(end - 1) - first);
    }
  }

 private:
  /// One past the last tile of a group.
  std::int64_t end_of(std::int64_t group) const {
    const Group g = tiling_.group(group);
    return g.first + g.rows * g.columns;
  }

  void run_stretch(std::int64_t group, std::int64_t group_end, std::int64_t first, std::int64_t tiles) {
    v_stride_ = tiles * kBlock + kPadding;
    const Scratch v(pool_, static_cast<std::size_t>(blocks_ * kPoints * v_stride_));
    share_out((group_end - group) * blocks_, kGroupPixels * kBlock, 0, [&](std::int64_t i, float* pixels, float*) {
      transform_input(tiling_.group(group + i / blocks_), i % blocks_, first, pixels, v.data());
    });

    const std::int64_t wanted = ceil_div(4 * num_threads(), panels_);
    const std::int64_t parts = std::max(ceil_div(tiles, kPartTiles), std::min(wanted, tiles / (kPartTiles / 4)));
    const std::int64_t part = ceil_div(ceil_div(tiles, parts), gemm_.rows) * gemm_.rows;
    const std::int64_t m_stride = part * gemm_.width + kPadding;
    share_out(parts * panels_, kPoints * u_stride(), kPoints * m_stride, [&](std::int64_t i, float* u, float* m) {
      const std::int64_t begin = i / panels_ * part, end = std::min(tiles, begin + part), column = i % panels_ * gemm_.width;
      if (begin >= end) return;
      multiply(v.data(), begin, end - begin, column, u, m, m_stride);
      store_part(first + begin, first + end, column, m, m_stride);
    });
  }

  /// Calls body(item, a, b) for each item with working memory of the calling thread.
  template <typename Body>
  void share_out(std::int64_t items, std::int64_t floats_a, std::int64_t floats_b, const Body& body) {
    const ThreadScratch scratch(pool_, {floats_a, floats_b});
    std::atomic<std::int64_t> next{0};
    parallel_run([&](int thread, int) {
      if (thread >= scratch.threads()) return;
      for (std::int64_t i; (i = next.fetch_add(1)) < items;) body(i, scratch.part(thread, 0), scratch.part(thread, 1));
    });
  }

  void transform_input(const Group& g, std::int64_t block, std::int64_t first, float* pixels, float* v) const {
    const std::int64_t channel = block * kBlock, channels = std::min(kBlock, channels_ - channel);
    load_pixels(g, channel, channels, pixels);
    v += block * kPoints * v_stride_ + (g.first - first) * kBlock;
    for (std::int64_t y = 0; y < g.rows; ++y)
      for (std::int64_t x = 0; x < g.columns; ++x, v += kBlock)
        kernels_.input(pixels + (y * kGroupWidth + x) * kTile * kBlock, kGroupWidth * kBlock, kBlock, channels, v, v_stride_);
  }

  /// The input pixels under a group of tiles, through the prologue, with the zeros of the padding.
  void load_pixels(const Group& g, std::int64_t channel, std::int64_t channels, float* pixels) const {
    const int up = w_.geometry.upsample;
    const std::int64_t height = w_.geometry.enlarged(x_.shape[1], height_), width = w_.geometry.enlarged(x_.shape[2], width_);
    const std::int64_t top = g.y * kTile - w_.geometry.pad_begin, left = g.x * kTile - w_.geometry.pad_begin;
    RowMap map;
    if (prologue_.scale) map = {prologue_.scale.row(g.image) + channel, prologue_.shift.row(g.image) + channel, prologue_.activation};
    const std::int64_t padded = ceil_div(channels, 16) * 16;
    for (std::int64_t y = 0; y < g.rows * kTile + 2; ++y)
      for (std::int64_t x = 0; x < g.columns * kTile + 2; ++x) {
        float* to = pixels + (y * kGroupWidth + x) * kBlock;
        const std::int64_t from_y = top + y, from_x = left + x;
        if (from_y < 0 || from_y >= height || from_x < 0 || from_x >= width) {
          std::fill_n(to, padded, 0.0f);
          continue;
        }
        const float* const from = x_.row((g.image * x_.shape[1] + from_y / up) * x_.shape[2] + from_x / up) + channel;
        prefetch(from + kPixelsAhead / up * x_.row_stride, channels);
        gemm_.map_row(from, channels, map, to);
        std::fill(to + channels, to + padded, 0.0f);
      }
  }

  std::int64_t u_stride() const { return std::min(kBlock, channels_) * gemm_.panel_row + kPadding; }

  void multiply(const float* v, std::int64_t begin, std::int64_t tiles, std::int64_t column, float* u, float* m, std::int64_t m_stride) const {
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const std::int64_t channels = std::min(kBlock, channels_ - block * kBlock);
      kernels_.weights(w_.weight, column, block * kBlock, channels, u, u_stride());
      const auto& multiplies = block == 0 ? gemm_.multiply : gemm_.multiply_add;
      for (std::int64_t point = 0; point < kPoints; ++point) {
        const float* a = v + (block * kPoints + point) * v_stride_ + begin * kBlock;
        for (std::int64_t t = 0; t < tiles; t += gemm_.rows)
          multiplies[std::min<std::int64_t>(gemm_.rows, tiles - t)](a + t * kBlock, kBlock, u + point * u_stride(), channels,
                                                                    m + point * m_stride + t * gemm_.width);
      }
    }
  }

  /// Tiles first..end - 1 of the output.
  void store_part(std::int64_t first, std::int64_t end, std::int64_t column, const float* m, std::int64_t m_stride) const {
    Position next = tiling_.position(first);
    expect_store(next, column);
    for (std::int64_t t = first; t < end; ++t, m += gemm_.width) {
      const Position here = next;
      if (t + 1 < end) {
        next = tiling_.position(t + 1);
        for (std::int64_t i = 0; i < kPoints; ++i) prefetch(m + i * m_stride + gemm_.width, gemm_.width);
        expect_store(next, column);
      }
      store(here, m, m_stride, column);
    }
  }

  void expect_store(const Position& p, std::int64_t column) const {
    const std::int64_t rows = std::min(kTile, height_ - p.y * kTile), columns = std::min(kTile, width_ - p.x * kTile);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        const std::int64_t row = row_of(p, i) + j;
        for (std::int64_t c = column; c < column + gemm_.width; c += 16) {
          __builtin_prefetch(target_.out + row * target_.out_stride + c, /*rw=*/1);
          if (target_.residual != nullptr) __builtin_prefetch(target_.residual + row * target_.residual_stride + c);
        }
      }
  }

  /// The row of the output where row i of a tile begins.
  std::int64_t row_of(const Position& p, std::int64_t i) const { return (p.image * height_ + p.y * kTile + i) * width_ + p.x * kTile; }

  void store(const Position& p, const float* m, std::int64_t m_stride, std::int64_t column) const {
    alignas(64) float y[kTile * kTile * GemmKernels::kMaxWidth];
    kernels_.output(m, m_stride, y);
    const int columns = static_cast<int>(std::min(kTile, width_ - p.x * kTile));
    for (std::int64_t i = 0; i < std::min(kTile, height_ - p.y * kTile); ++i)
      gemm_.store(y + i * kTile * gemm_.width, columns, row_of(p, i), column, target_);
  }

  BlockPool& pool_;
  const GemmKernels& gemm_;
  const WinogradKernels& kernels_;
  const TensorView& x_;
  const ConvWeights& w_;
  const Prologue& prologue_;
  TileTarget target_;
  std::int64_t height_, width_, channels_, blocks_, panels_;
  Tiling tiling_;
  std::int64_t v_stride_ = 0;  // between points
};

}  // namespace

bool winograd_applies(const ConvGeometry& g) { return g.kernel == 3 && g.stride == 1; }

void winograd_conv(BlockPool& pool, DType arithmetic, const TensorView& x, const ConvWeights& weights, const Prologue& prologue,
                   const Epilogue& epilogue, const TensorView& out) {
  if (out.count() != 0) WinogradConv(pool, arithmetic, x, weights, prologue, epilogue, out).run();
}

}  // namespace impasto
