// Group and layer normalisation. Group normalisation reads its input once and gives the affine map that it amounts to.
#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "core/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/norm.cc"
#include "backend/cpu/isa.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

/// The first n lanes of memory (all of them when n is enough), zero in the others.
template <class D>
HWY_INLINE hn::Vec<D> load_columns(D d, const float* p, std::int64_t n) {
  return n >= static_cast<std::int64_t>(hn::Lanes(d)) ? hn::LoadU(d, p) : hn::MaskedLoad(hn::FirstN(d, static_cast<std::size_t>(n)), d, p);
}

template <class D>
HWY_INLINE void store_columns(hn::Vec<D> v, D d, float* p, std::int64_t n) {
  if (n >= static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(v, d, p);
  } else {
    hn::BlendedStore(v, hn::FirstN(d, static_cast<std::size_t>(n)), d, p);
  }
}

/// Sum and sum of squared distances from the mean, over the rows, of kVectors vectors of columns.
template <int kVectors, class D>
HWY_INLINE void strip_statistics(D d, const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* sums, float* squares) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> sum[kVectors], mean[kVectors], square[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = square[v] = hn::Zero(d);
  for (std::int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], load_columns(d, x + r * stride + v * lanes, columns - v * lanes));
  for (int v = 0; v < kVectors; ++v) mean[v] = hn::Mul(sum[v], hn::Set(d, 1.0f / static_cast<float>(rows)));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const auto distance = hn::Sub(load_columns(d, x + r * stride + v * lanes, columns - v * lanes), mean[v]);
      square[v] = hn::MulAdd(distance, distance, square[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    store_columns(sum[v], d, sums + v * lanes, columns - v * lanes);
    store_columns(square[v], d, squares + v * lanes, columns - v * lanes);
  }
}

template <class F>
HWY_INLINE void affine_rows(const float* x, const float* scale, const float* shift, float* out, std::int64_t rows, std::int64_t columns, const F& f) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t r = 0; r < rows; ++r, x += columns, out += columns) {
    std::int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(f(hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, scale + i), hn::LoadU(d, shift + i))), d, out + i);
    }
    if (i == columns) continue;
    const auto m = hn::FirstN(d, static_cast<std::size_t>(columns - i));
    hn::BlendedStore(f(hn::MulAdd(hn::MaskedLoad(m, d, x + i), hn::MaskedLoad(m, d, scale + i), hn::MaskedLoad(m, d, shift + i))), m, d, out + i);
  }
}

/// sum of f(x[i]) for i < n, in four running sums of one vector each: short chains, and little rounding.
template <class D, class F>
HWY_INLINE float sum_row(D d, const float* x, std::int64_t n, const F& f) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, f(hn::LoadU(d, x + i)));
    s1 = hn::Add(s1, f(hn::LoadU(d, x + i + lanes)));
    s2 = hn::Add(s2, f(hn::LoadU(d, x + i + 2 * lanes)));
    s3 = hn::Add(s3, f(hn::LoadU(d, x + i + 3 * lanes)));
  }
  for (; i + lanes <= n; i += lanes) s0 = hn::Add(s0, f(hn::LoadU(d, x + i)));
  if (i < n) {
    const auto m = hn::FirstN(d, static_cast<std::size_t>(n - i));
    s1 = hn::Add(s1, hn::IfThenElseZero(m, f(hn::MaskedLoad(m, d, x + i))));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

}  // namespace

/// Per column of x [rows, columns]: its sum, and the sum of squared distances from its mean. Two passes over a strip of columns narrow
/// enough (4 vectors x 256 rows = 64 KiB at most) that the second finds it in the cache: no cancellation, and memory is read once.
void column_statistics(const float* x, std::int64_t rows, std::int64_t columns, float* sums, float* squares) {
  const hn::ScalableTag<float> d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + 4 * lanes <= columns; i += 4 * lanes) strip_statistics<4>(d, x + i, columns, rows, 4 * lanes, sums + i, squares + i);
  for (; i < columns; i += lanes) strip_statistics<1>(d, x + i, columns, rows, std::min(lanes, columns - i), sums + i, squares + i);
}

void apply_affine_rows(const float* x, const float* scale, const float* shift, Activation activation, float* out, std::int64_t rows,
                       std::int64_t columns) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto run = [&](const auto& f) HWY_ATTR { affine_rows(x, scale, shift, out, rows, columns, f); };
  switch (activation) {
    case Activation::none: return run([](V v) HWY_ATTR { return v; });
    case Activation::silu: return run([d](V v) HWY_ATTR { return silu(d, v); });
    case Activation::gelu: return run([d](V v) HWY_ATTR { return gelu(d, v); });
    case Activation::quick_gelu: return run([d](V v) HWY_ATTR { return quick_gelu(d, v); });
  }
}

/// y = (x - mean) / sqrt(variance + eps) * gamma + beta; a row is short enough to be in L1 for all three passes.
void layer_norm_rows(const float* x, const float* gamma, const float* beta, float eps, float* out, std::int64_t rows, std::int64_t columns) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const float width = static_cast<float>(columns);
  for (std::int64_t r = 0; r < rows; ++r, x += columns, out += columns) {
    const V mean = hn::Set(d, sum_row(d, x, columns, [](V v) HWY_ATTR { return v; }) / width);
    const float variance = sum_row(d, x, columns,
                                   [&](V v) HWY_ATTR {
                                     const V distance = hn::Sub(v, mean);
                                     return hn::Mul(distance, distance);
                                   }) /
                           width;
    const V inverse = hn::Set(d, 1.0f / std::sqrt(variance + eps));
    for (std::int64_t i = 0; i < columns; i += lanes) {
      const V centred = hn::Mul(hn::Sub(load_columns(d, x + i, columns - i), mean), inverse);
      store_columns(hn::MulAdd(centred, load_columns(d, gamma + i, columns - i), load_columns(d, beta + i, columns - i)), d, out + i, columns - i);
    }
  }
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {
namespace {

HWY_EXPORT(column_statistics);
HWY_EXPORT(apply_affine_rows);
HWY_EXPORT(layer_norm_rows);

// Rows whose sums are taken together. Fixed, so that sums do not depend on the threads. Measured on maps of 1 to 134 MB: 64 is 1.6 times
// slower (the sums themselves become 3 % of the data, and are combined in double), 512 no faster.
constexpr std::int64_t kBlock = 256;
constexpr std::int64_t kGrain = 16384;  // elements: 64 KiB a range, well above what handing one out costs

std::int64_t rows_per_range(std::int64_t columns) { return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(columns, 1)); }

struct Moments {
  double mean, variance;
};

/// Of channels first..first + width over all blocks, from each block's column statistics, in the order of blocks and channels: squared
/// distances from block means plus those of the block means from the whole mean (Chan, Golub and LeVeque, 1979).
Moments combine_blocks(const float* statistics, std::int64_t rows, std::int64_t channels, std::int64_t first, std::int64_t width) {
  const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
  const double count = static_cast<double>(rows * width);
  double sum = 0, squares = 0;
  for (std::int64_t b = 0; b < blocks; ++b)
    for (std::int64_t i = first; i < first + width; ++i) sum += statistics[b * 2 * channels + i];
  const double mean = sum / count;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const double height = static_cast<double>(std::min(kBlock, rows - b * kBlock));
    const float* sums = statistics + b * 2 * channels;
    for (std::int64_t i = first; i < first + width; ++i) {
      const double distance = sums[i] / height - mean;
      squares += sums[channels + i] + height * distance * distance;
    }
  }
  return {mean, squares / count};
}

}  // namespace

void CpuBackend::group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps,
                                   const TensorView& scale, const TensorView& shift) {
  const std::int64_t images = x.shape[0], channels = x.shape.back(), rows = x.rows() / images, width = channels / groups;
  const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
  const Scratch scratch(pool_, static_cast<std::size_t>(images * blocks * 2 * channels));
  float* const statistics = scratch.data();  // [images, blocks, sums and squares, channels]
  parallel_for(images * blocks, std::max<std::int64_t>(1, rows_per_range(channels) / kBlock), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % blocks * kBlock, height = std::min(kBlock, rows - first);
      float* const sums = statistics + i * 2 * channels;
      IMPASTO_DISPATCH(column_statistics)(x.as<float>() + (i / blocks * rows + first) * channels, height, channels, sums, sums + channels);
    }
  });
  parallel_for(images * groups, std::max<std::int64_t>(1, rows_per_range(blocks * width)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / groups, first = i % groups * width;
      const Moments m = combine_blocks(statistics + image * blocks * 2 * channels, rows, channels, first, width);
      const double inverse = 1 / std::sqrt(m.variance + eps);
      for (std::int64_t c = first; c < first + width; ++c) {
        scale.row(image)[c] = static_cast<float>(gamma.as<float>()[c] * inverse);
        shift.row(image)[c] = static_cast<float>(beta.as<float>()[c] - m.mean * inverse * gamma.as<float>()[c]);
      }
    }
  });
}

void CpuBackend::apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) {
  const std::int64_t columns = x.shape.back(), rows = x.rows() / x.shape[0];
  parallel_for(x.rows(), rows_per_range(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end;) {
      const std::int64_t image = r / rows, count = std::min(end, (image + 1) * rows) - r;
      IMPASTO_DISPATCH(apply_affine_rows)(x.row(r), scale.row(image), shift.row(image), activation, out.row(r), count, columns);
      r += count;
    }
  });
}

void CpuBackend::layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) {
  const std::int64_t columns = x.shape.back();
  parallel_for(x.rows(), rows_per_range(columns), [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(layer_norm_rows)(x.row(begin), gamma.as<float>(), beta.as<float>(), eps, out.row(begin), end - begin, columns);
  });
}

}  // namespace impasto
#endif  // HWY_ONCE
