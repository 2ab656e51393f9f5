// Operations that read each element once: as fast as memory, so they are vectorised, split over threads, and make one pass.
#include <atomic>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "core/fail.h"
#include "core/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/elementwise.cc"
#include "backend/cpu/isa.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

/// Calls whole(i) for each full vector of 0..n and rest(i, mask) for what is left, so that the arithmetic of an element does not depend on
/// where it lies.
template <class D, class Whole, class Rest>
HWY_INLINE void each_vector(D d, std::int64_t n, const Whole& whole, const Rest& rest) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) whole(i);
  if (i < n) rest(i, hn::FirstN(d, static_cast<std::size_t>(n - i)));
}

/// out[i] = f(x[i])
template <class D, class F>
HWY_INLINE void map(D d, const float* x, float* out, std::int64_t n, const F& f) {
  each_vector(
      d, n, [&](std::int64_t i) HWY_ATTR { hn::StoreU(f(hn::LoadU(d, x + i)), d, out + i); },
      [&](std::int64_t i, hn::Mask<D> m) HWY_ATTR { hn::BlendedStore(f(hn::MaskedLoad(m, d, x + i)), m, d, out + i); });
}

}  // namespace

void activate_range(const float* x, Activation activation, float* out, std::int64_t n) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  switch (activation) {
    case Activation::none: return map(d, x, out, n, [](V v) HWY_ATTR { return v; });
    case Activation::silu: return map(d, x, out, n, [d](V v) HWY_ATTR { return silu(d, v); });
    case Activation::gelu: return map(d, x, out, n, [d](V v) HWY_ATTR { return gelu(d, v); });
    case Activation::quick_gelu: return map(d, x, out, n, [d](V v) HWY_ATTR { return quick_gelu(d, v); });
  }
}

void add_range(const float* a, const float* b, float* out, std::int64_t n) {
  const hn::ScalableTag<float> d;
  each_vector(
      d, n, [&](std::int64_t i) HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i); },
      [&](std::int64_t i, hn::Mask<decltype(d)> m)
          HWY_ATTR { hn::BlendedStore(hn::Add(hn::MaskedLoad(m, d, a + i), hn::MaskedLoad(m, d, b + i)), m, d, out + i); });
}

/// Multiplies and adds apart (no fused multiply-add), as torch's elementwise operations do.
void combine_range(const float* coefficients, const float* const* terms, std::size_t count, float* out, std::int64_t begin, std::int64_t end) {
  const hn::ScalableTag<float> d;
  const auto sum_of = [&](const auto& load) HWY_ATTR {
    auto sum = hn::Mul(hn::Set(d, coefficients[0]), load(terms[0]));
    for (std::size_t t = 1; t < count; ++t) sum = hn::Add(sum, hn::Mul(hn::Set(d, coefficients[t]), load(terms[t])));
    return sum;
  };
  out += begin;
  each_vector(
      d, end - begin,
      [&](std::int64_t i) HWY_ATTR { hn::StoreU(sum_of([&](const float* p) HWY_ATTR { return hn::LoadU(d, p + begin + i); }), d, out + i); },
      [&](std::int64_t i, hn::Mask<decltype(d)> m)
          HWY_ATTR { hn::BlendedStore(sum_of([&](const float* p) HWY_ATTR { return hn::MaskedLoad(m, d, p + begin + i); }), m, d, out + i); });
}

void clamp_range(const float* x, float low, float high, float* out, std::int64_t n) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const V lowest = hn::Set(d, low), highest = hn::Set(d, high);
  map(d, x, out, n, [&](V v) HWY_ATTR {
    const V raised = hn::IfThenElse(hn::Lt(v, lowest), lowest, v);  // comparisons with NaN are false: it stays
    return hn::IfThenElse(hn::Gt(raised, highest), highest, raised);
  });
}

/// Largest |x| as bits: 0x7F800000 and above are infinity and NaN. Integers, so nothing is trapped or flushed on the way.
std::uint32_t largest_magnitude_bits(const float* x, std::int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto magnitude = hn::Set(di, 0x7FFFFFFF);
  auto largest = hn::Zero(di);
  each_vector(
      d, n, [&](std::int64_t i) HWY_ATTR { largest = hn::Max(largest, hn::And(hn::BitCast(di, hn::LoadU(d, x + i)), magnitude)); },
      [&](std::int64_t i, hn::Mask<decltype(d)> m)
          HWY_ATTR { largest = hn::Max(largest, hn::And(hn::BitCast(di, hn::MaskedLoad(m, d, x + i)), magnitude)); });
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, largest)));
}

void widen_float16(const std::uint16_t* x, float* out, std::int64_t n) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> dh;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(x + i))), d, out + i);
  }
#endif
  for (; i < n; ++i) out[i] = float16_to_float32(x[i]);
}

void widen_bfloat16(const std::uint16_t* x, float* out, std::int64_t n) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Rebind<std::uint16_t, decltype(d)> dh;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(dh, x + i))), d, reinterpret_cast<std::uint32_t*>(out + i));
  }
#endif
  for (; i < n; ++i) out[i] = bfloat16_to_float32(x[i]);
}

/// What is not a number becomes 0.
void to_bytes_range(const float* x, std::uint8_t* out, std::int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::uint8_t, decltype(d)> db;
  const auto bytes = [&](auto v) HWY_ATTR {
    const auto half = hn::Set(d, 0.5f);
    const auto raised = hn::Add(hn::Mul(v, half), half);
    const auto kept = hn::Min(hn::Set(d, 1.0f), hn::IfThenElseZero(hn::Gt(raised, hn::Zero(d)), raised));
    return hn::DemoteTo(db, hn::NearestInt(hn::Mul(kept, hn::Set(d, 255.0f))));
  };
  each_vector(
      d, n, [&](std::int64_t i) HWY_ATTR { hn::StoreU(bytes(hn::LoadU(d, x + i)), db, out + i); },
      [&](std::int64_t i, hn::Mask<decltype(d)> m) HWY_ATTR {
        std::uint8_t last[HWY_MAX_BYTES / sizeof(float)];
        hn::StoreU(bytes(hn::MaskedLoad(m, d, x + i)), db, last);
        std::memcpy(out + i, last, static_cast<std::size_t>(n - i));
      });
}

/// Rows begin..end of x [rows, columns] to the same columns of out [columns, rows].
void transpose_rows(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t begin, std::int64_t end, float* out) {
  constexpr std::int64_t kTile = 64;  // a tile of each side is 16 KiB: both stay in L1 while the other's lines are used up
  for (std::int64_t i = begin; i < end; i += kTile)
    for (std::int64_t j = 0; j < columns; j += kTile)
      transpose(x + i * columns + j, columns, std::min(kTile, end - i), std::min(kTile, columns - j), Unchanged(), out + j * rows + i, rows);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {
namespace {

HWY_EXPORT(activate_range);
HWY_EXPORT(add_range);
HWY_EXPORT(combine_range);
HWY_EXPORT(clamp_range);
HWY_EXPORT(largest_magnitude_bits);
HWY_EXPORT(widen_float16);
HWY_EXPORT(widen_bfloat16);
HWY_EXPORT(to_bytes_range);
HWY_EXPORT(transpose_rows);

constexpr std::int64_t kGrain = 16384;  // 64 KiB a range: well above what handing one out costs

/// Widens values first..first + n of a stored tensor.
void widen_range(const TensorView& x, std::int64_t first, std::int64_t n, float* out) {
  switch (x.dtype) {
    case DType::float32: std::memcpy(out, x.as<float>() + first, static_cast<std::size_t>(n) * sizeof(float)); return;
    case DType::float16: return IMPASTO_DISPATCH(widen_float16)(x.as<std::uint16_t>() + first, out, n);
    case DType::bfloat16: return IMPASTO_DISPATCH(widen_bfloat16)(x.as<std::uint16_t>() + first, out, n);
    case DType::float64:
      for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(x.as<double>()[first + i]);
      return;
    default: fail(ErrorKind::internal, "widen: float types only, not ", to_string(x.dtype));
  }
}

/// Each image of x, [rows, columns], transposed; threads share out its rows.
void transpose_images(const TensorView& x, std::int64_t rows, std::int64_t columns, const TensorView& out) {
  for (std::int64_t n = 0; n < x.shape[0]; ++n) {
    const float* from = x.as<float>() + n * rows * columns;
    float* to = out.as<float>() + n * rows * columns;
    parallel_for(rows, std::max<std::int64_t>(64, kGrain / std::max<std::int64_t>(columns, 1)), [&](std::int64_t begin, std::int64_t end) {
      IMPASTO_DISPATCH(transpose_rows)(from, rows, columns, begin, end, to);
    });
  }
}

}  // namespace

void CpuBackend::activate(const TensorView& x, Activation activation, const TensorView& out) {
  parallel_for(x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(activate_range)(x.as<float>() + begin, activation, out.as<float>() + begin, end - begin);
  });
}

void CpuBackend::add(const TensorView& a, const TensorView& b, const TensorView& out) {
  parallel_for(a.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(add_range)(a.as<float>() + begin, b.as<float>() + begin, out.as<float>() + begin, end - begin);
  });
}

void CpuBackend::combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) {
  constexpr std::size_t kMost = 8;
  IMPASTO_CHECK(!terms.empty() && terms.size() <= kMost && terms.size() == coefficients.size());
  const float* data[kMost];
  for (std::size_t t = 0; t < terms.size(); ++t) data[t] = terms[t].as<float>();
  parallel_for(out.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(combine_range)(coefficients.data(), data, terms.size(), out.as<float>(), begin, end);
  });
}

void CpuBackend::clamp(const TensorView& x, float low, float high, const TensorView& out) {
  parallel_for(x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(clamp_range)(x.as<float>() + begin, low, high, out.as<float>() + begin, end - begin);
  });
}

void CpuBackend::concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) {
  const std::int64_t left = a.shape.back(), right = b.shape.back();
  parallel_for(out.rows(), std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(left + right, 1)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::memcpy(out.row(r), a.row(r), static_cast<std::size_t>(left) * sizeof(float));
      std::memcpy(out.row(r) + left, b.row(r), static_cast<std::size_t>(right) * sizeof(float));
    }
  });
}

void CpuBackend::embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) {
  const std::int64_t width = table.shape[1];
  for (std::size_t t = 0; t < ids.size(); ++t) widen_range(table, ids[t] * width, width, out.row(static_cast<std::int64_t>(t)));
}

void CpuBackend::nchw_to_nhwc(const TensorView& x, const TensorView& out) { transpose_images(x, x.shape[1], x.shape[2] * x.shape[3], out); }

void CpuBackend::nhwc_to_nchw(const TensorView& x, const TensorView& out) { transpose_images(x, x.shape[1] * x.shape[2], x.shape[3], out); }

void CpuBackend::to_bytes(const TensorView& x, const TensorView& out) {
  parallel_for(x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    IMPASTO_DISPATCH(to_bytes_range)(x.as<float>() + begin, out.as<std::uint8_t>() + begin, end - begin);
  });
}

void CpuBackend::widen(const TensorView& x, const TensorView& out) {
  parallel_for(x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) { widen_range(x, begin, end - begin, out.as<float>() + begin); });
}

bool CpuBackend::is_finite(const TensorView& x) {
  constexpr std::uint32_t kInfinity = 0x7F800000u;
  std::atomic<bool> finite{true};
  parallel_for(x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end && finite.load(std::memory_order_relaxed); begin += kGrain) {
      if (IMPASTO_DISPATCH(largest_magnitude_bits)(x.as<float>() + begin, std::min(kGrain, end - begin)) >= kInfinity) finite = false;
    }
  });
  return finite;
}

std::vector<float> CpuBackend::standard_deviation(const TensorView& x) {
  const std::int64_t images = x.shape[0], size = images == 0 ? 0 : x.count() / images;
  std::vector<float> result(static_cast<std::size_t>(images));
  parallel_for(images, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const float* values = x.as<float>() + n * size;
      double mean = 0, squares = 0;
      for (std::int64_t i = 0; i < size; ++i) mean += values[i];
      mean /= static_cast<double>(size);
      for (std::int64_t i = 0; i < size; ++i) squares += (values[i] - mean) * (values[i] - mean);
      result[static_cast<std::size_t>(n)] = static_cast<float>(std::sqrt(squares / static_cast<double>(size - 1)));
    }
  });
  return result;
}

}  // namespace impasto
#endif  // HWY_ONCE
