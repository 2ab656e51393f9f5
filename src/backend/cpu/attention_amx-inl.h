// Attention by tiles of AMX: factors are bfloat16, scores, maximum, sum and O float32. Included once per target, after hwy/highway.h (see isa.h);
// empty for all targets but AVX-512. attention.cc says how it all goes together.
//
// Queries lie along the rows here, 32 to a tile, and keys along the lanes: what multiplies products multiplies Q with K and the powers with V, and a
// row's maximum takes one operation across lanes for each block of keys.
#if defined(IMPASTO_ATTENTION_AMX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_ATTENTION_AMX_INL_H_
#undef IMPASTO_ATTENTION_AMX_INL_H_
#else
#define IMPASTO_ATTENTION_AMX_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "hwy/highway.h"

#include "backend/cpu/amx-inl.h"
#include "backend/cpu/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX3

class AttentionByTiles {
 public:
  /// `scratch`: as for the other kernels, see scratch_size().
  AttentionByTiles(const AttentionHead& h, std::int64_t begin, std::int64_t end, float* scratch)
      : h_(h),
        begin_(begin),
        end_(end),
        depth_((h.d + 2 * kSide - 1) / (2 * kSide) * kSide),
        width_(2 * depth_),
        tiles_((end - begin + kRows - 1) / kRows) {
    const auto take = [&scratch](std::int64_t floats) { return std::exchange(scratch, scratch + floats); };
    q_ = take(tiles_ * kRows * depth_), o_ = take(tiles_ * kRows * width_), peak_ = take(tiles_ * kRows), sum_ = take(tiles_ * kRows);
    k_ = take(kKeyBlock * depth_), v_ = take(kKeyBlock / 2 * width_), scores_ = take(kKeyBlock * kRows), powers_ = take(kKeyBlock / 2 * kRows);
  }

  void run() {
    Amx::configure();
    pack_queries();
    for (std::int64_t first = 0; first < (h_.causal ? end_ : h_.tk); first += kKeyBlock) {
      count_ = std::min(kKeyBlock, h_.tk - first), rounded_ = (count_ + kRows - 1) / kRows * kRows;
      pack_keys(first);
      pack_values(first);
      for (std::int64_t t = 0; t < tiles_; ++t)
        if (!h_.causal || first < begin_ + (t + 1) * kRows) attend(t, first);
    }
    Amx::release();
    for (std::int64_t i = 0; i < end_ - begin_; ++i) finish(i);
  }

 private:
  using Words = BFloat16Dot;
  static constexpr std::int64_t kSide = Amx::kTileFloats, kRows = Amx::kRows, kWidth = Amx::kWidth;
  static constexpr D d{};

  void pack_queries() {
    alignas(64) float row[2 * kMostHead];
    std::fill_n(q_, tiles_ * kRows * depth_, 0.0f);
    for (std::int64_t i = 0; i < end_ - begin_; ++i)
      for (std::int64_t from = 0; from < h_.d; from += kMostHead) {
        const std::int64_t n = std::min(kMostHead, h_.d - from);
        const float* q = h_.q + (begin_ + i) * h_.q_stride + from;
        for (std::int64_t c = 0; c < n; ++c) row[c] = q[c] * (h_.scale * 1.44269504f);
        narrow_row<Words>(row, n, q_ + i * depth_ + from / 2);
      }
    std::fill_n(peak_, tiles_ * kRows, -std::numeric_limits<float>::infinity());
    std::fill_n(sum_, tiles_ * kRows, 0.0f);
  }

  /// Panels of 32 keys: [depth][32]. By way of the scores' memory, a panel's keys at a time.
  void pack_keys(std::int64_t first) {
    for (std::int64_t j = 0; j < rounded_; j += kRows) {
      float* const to = k_ + j * depth_;
      for (std::int64_t from = 0; from < depth_; from += kKeyBlock / 2) {  // words
        const std::int64_t words = std::min(kKeyBlock / 2, depth_ - from), columns = std::min(2 * words, h_.d - 2 * from);
        std::fill_n(scores_, kRows * words, 0.0f);
        for (std::int64_t r = 0; r < std::min(kRows, count_ - j); ++r)
          narrow_row<Words>(h_.k + (first + j + r) * h_.k_stride + 2 * from, columns, scores_ + r * words);
        transpose(scores_, words, kRows, words, Unchanged(), to + from * kWidth, kWidth);
      }
    }
  }

  /// Panels of 32 columns: [keys in pairs][32].
  void pack_values(std::int64_t first) {
    for (std::int64_t j = 0; j < rounded_; j += 2) {
      const float* const v = h_.v + (first + j) * h_.v_stride;
      for (std::int64_t c = 0; c < width_; c += kSide) {
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(h_.d - c, 0, kSide)));
        const V one = j < count_ ? hn::MaskedLoad(mask, d, v + c) : hn::Zero(d),
                two = j + 1 < count_ ? hn::MaskedLoad(mask, d, v + h_.v_stride + c) : hn::Zero(d);
        hn::StoreU(Words::pair(one, two), d, v_ + c / kWidth * kWidth * (rounded_ / 2) + j / 2 * kWidth + c % kWidth);
      }
    }
  }

  void attend(std::int64_t t, std::int64_t first) {
    for (std::int64_t j = 0; j < rounded_; j += kRows)
      Amx::multiply<2, false>(q_ + t * kRows * depth_, depth_, k_ + j * depth_, depth_, scores_ + j * kRows);
    const std::int64_t words = rounded_ / 2;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const std::int64_t seen = h_.causal ? std::min(count_, begin_ + t * kRows + r + 1 - first) : count_;
      const float keep = soften(t * kRows + r, r, seen, powers_ + r * words);
      for (std::int64_t c = 0; c < width_; c += kWidth) {
        float* const o = o_ + (t * width_ + c) * kRows + r * kWidth;
        for (std::int64_t l = 0; l < kWidth; l += kSide)
          hn::StoreU(first == 0 ? hn::Zero(d) : hn::Mul(hn::LoadU(d, o + l), hn::Set(d, keep)), d, o + l);
      }
    }
    for (std::int64_t c = 0; c < width_; c += kWidth) Amx::multiply<2, true>(powers_, words, v_ + c * words, words, o_ + (t * width_ + c) * kRows);
  }

  /// Scores of row r of a tile, the first `seen` of them, to powers of two in words; maximum and sum of query i move on. Returns what earlier sums
  /// are to be multiplied by.
  float soften(std::int64_t i, std::int64_t r, std::int64_t seen, float* powers) {
    const auto at = [&](std::int64_t j) { return scores_ + j / kWidth * kWidth * kRows + r * kWidth + j % kWidth; };
    const V lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
    V peaks = lowest;
    for (std::int64_t j = 0; j < rounded_; j += kSide) {
      if (j + kSide > seen)
        hn::StoreU(hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(seen - j, 0, kSide))), hn::LoadU(d, at(j)), lowest),
                   d, at(j));
      peaks = hn::Max(peaks, hn::LoadU(d, at(j)));
    }
    const float before = peak_[i];
    peak_[i] = std::max(before, hn::GetLane(hn::MaxOfLanes(d, peaks)));
    const V peak = hn::Set(d, peak_[i]);
    const float keep = hn::GetLane(exp2(d, hn::Sub(hn::Set(d, before), peak)));
    V sum = hn::Zero(d);
    for (std::int64_t j = 0; j < rounded_; j += 2 * kSide, powers += kSide) {
      const V one = exp2(d, hn::Sub(hn::LoadU(d, at(j)), peak)), two = exp2(d, hn::Sub(hn::LoadU(d, at(j + kSide)), peak));
      sum = hn::Add(sum, hn::Add(one, two));
      hn::StoreU(V{_mm512_castsi512_ps(Words::narrow(one, two))}, d, powers);
    }
    sum_[i] = sum_[i] * keep + hn::GetLane(hn::SumOfLanes(d, sum));
    return keep;
  }

  void finish(std::int64_t i) {
    const V inverse = hn::Set(d, 1.0f / sum_[i]);
    float* const out = h_.out + (begin_ + i) * h_.out_stride;
    for (std::int64_t c = 0; c < h_.d; c += kSide) {
      const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::min(kSide, h_.d - c)));
      const float* const o = o_ + (i / kRows * width_ + c / kWidth * kWidth) * kRows + i % kRows * kWidth + c % kWidth;
      hn::BlendedStore(hn::Mul(hn::LoadU(d, o), inverse), mask, d, out + c);
    }
  }

  static constexpr std::int64_t kMostHead = 256;  // columns that are scaled at a time

  const AttentionHead& h_;
  std::int64_t begin_, end_;              // queries
  std::int64_t depth_, width_;            // words and columns of a head, in whole tiles
  std::int64_t tiles_;                    // of queries
  std::int64_t count_ = 0, rounded_ = 0;  // keys of the block; in whole tiles
  float *q_, *o_, *peak_, *sum_;          // [tiles][32][depth], [tiles][width / 32][32][32], [queries], [queries]
  float *k_, *v_, *scores_, *powers_;     // [keys / 32][depth][32], [width / 32][keys / 2][32], [keys / 32][32][32], [32][keys / 2]
};

#endif

}  // namespace
}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
