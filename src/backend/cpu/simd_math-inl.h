// exp, erf and the activations on vectors of float32. Included once per target, after hwy/highway.h (see isa.h).
#if defined(IMPASTO_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_SIMD_MATH_INL_H_
#undef IMPASTO_SIMD_MATH_INL_H_
#else
#define IMPASTO_SIMD_MATH_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// e^x within 1.2e-7 relative. 0 below -87 (where results would turn subnormal), infinity above 88.73, NaN stays NaN.
///   x = n ln2 + r, |r| <= ln2 / 2;  e^x = 2^n (1 + r + r^2 q(r)), q minimax of degree 4 (its own error 3e-9)
/// ln2 is split in two so that n ln2 is exact to float32 after the subtraction (Cody and Waite, 1980).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V lowest = hn::Set(d, -87.0f);
  // The variable operand comes second: the x86 instructions return the second when either is NaN.
  const V clamped = hn::Min(hn::Set(d, 89.0f), hn::Max(lowest, x));
  const auto n = hn::NearestInt(hn::Mul(clamped, hn::Set(d, 1.44269504f)));
  const V nf = hn::ConvertTo(d, n);
  V r = hn::NegMulAdd(nf, hn::Set(d, 0x1.62e4p-1f), clamped);
  r = hn::NegMulAdd(nf, hn::Set(d, 0x1.7f7d1cf8p-20f), r);
  V q = hn::Set(d, 1.381432036e-03f);
  q = hn::MulAdd(q, r, hn::Set(d, 8.368851085e-03f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.166840109e-02f));
  q = hn::MulAdd(q, r, hn::Set(d, 1.666651952e-01f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.999999337e-01f));
  const V p = hn::MulAdd(hn::Mul(r, r), q, hn::Add(r, hn::Set(d, 1.0f)));
  // 2p * 2^(n-1): the exponent field holds n - 1 up to 127, so results just below the overflow stay finite.
  const V scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 126))));
  return hn::IfThenZeroElse(hn::Lt(x, lowest), hn::Mul(hn::Add(p, p), scale));
}

/// erf(z) within 4e-7 relative: z P(z^2) / Q(z^2), minimax of degree 5 / 5 on |z| <= 3.925 (its own error 2e-8), beyond which erf is 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V erf(D d, V x) {
  const V limit = hn::Set(d, 3.925f);
  const V z = hn::Min(limit, hn::Max(hn::Neg(limit), x));
  const V s = hn::Mul(z, z);
  V p = hn::Set(d, 2.045994001e-06f);
  p = hn::MulAdd(p, s, hn::Set(d, 2.848257579e-04f));
  p = hn::MulAdd(p, s, hn::Set(d, 3.772111110e-03f));
  p = hn::MulAdd(p, s, hn::Set(d, 5.276790990e-02f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.905846584e-01f));
  p = hn::MulAdd(p, s, hn::Set(d, 1.128379146e+00f));
  V q = hn::Set(d, 3.804649735e-05f);
  q = hn::MulAdd(q, s, hn::Set(d, 1.163736689e-03f));
  q = hn::MulAdd(q, s, hn::Set(d, 1.498232213e-02f));
  q = hn::MulAdd(q, s, hn::Set(d, 1.141787948e-01f));
  q = hn::MulAdd(q, s, hn::Set(d, 5.022339888e-01f));
  q = hn::MulAdd(q, s, hn::Set(d, 1.0f));
  // Without fused multiply-adds the quotient at the limit is a rounding beyond 1, and gelu(-1e30) would be 6e22.
  const V one = hn::Set(d, 1.0f);
  return hn::Min(one, hn::Max(hn::Neg(one), hn::Div(hn::Mul(z, p), q)));
}

/// x / (1 + exp(-x))
template <class D, class V = hn::Vec<D>>
HWY_INLINE V silu(D d, V x) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), exp(d, hn::Neg(x))));
}

/// x / (1 + exp(-1.702 x))
template <class D, class V = hn::Vec<D>>
HWY_INLINE V quick_gelu(D d, V x) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), exp(d, hn::Mul(x, hn::Set(d, -1.702f)))));
}

/// x (1 + erf(x / sqrt 2)) / 2
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu(D d, V x) {
  const V half_x = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half_x, erf(d, hn::Mul(x, hn::Set(d, 0.707106781f))), half_x);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
