// Attention without the score matrix (Dao et al., 2022): blocks of keys go by, each query keeps a running maximum and sum.
//
//   S = scale Q K^T;  O = softmax(S) V
// For the keys so far, per query:  m = max S,  l = sum 2^(S - m),  O = sum 2^(S - m) V;  a new block with a larger m multiplies l and O by
// 2^(m_old - m_new). Scores are in powers of 2: log2(e) * scale is multiplied into Q once.
//
// Queries lie along the vector lanes: Q, the scores and O are all held transposed, [d][queries] and [keys][queries]. Then both products are
// the same outer-product kernel (rows of K, or columns of V, as broadcast scalars against vectors of queries), the softmax needs no
// operation across lanes, and no head dimension wastes lanes: 40 is as good as 64. (attention_amx-inl.h does it otherwise.)
//
// The factors of both products are words (see words-inl.h): float32, or pairs of bfloat16 along the depth of the product, which is d for the
// scores and the keys for the output. Scores, maximum, sum and O are float32 either way; attention_float16-inl.h has float16's own way.
#include <algorithm>
#include <atomic>
#include <limits>

#include "backend/cpu/attention.h"
#include "backend/cpu/cpu_backend.h"
#include "core/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/attention.cc"
#include "backend/cpu/isa.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/attention-inl.h"
#include "backend/cpu/attention_amx-inl.h"
#include "backend/cpu/attention_float16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

/// Row j of V goes to place j of each tile of kRows columns.
void pack_values(Float32Words, const AttentionHead& h, const Keys& keys) {
  const hn::CappedTag<float, kRows> tile;
  const std::int64_t whole = hn::Lanes(tile) == kRows ? h.d / kRows * kRows : 0, rest = rounded(h.d) - whole;
  if (rest != 0) std::fill_n(keys.v + whole * keys.count, rest * keys.count, 0.0f);
  for (std::int64_t j = 0; j < keys.count; ++j) {
    const float* v = h.v + (keys.first + j) * h.v_stride;
    float* to = keys.v + j * kRows;
    for (std::int64_t i = 0; i < whole; i += kRows) hn::StoreU(hn::LoadU(tile, v + i), tile, to + i * keys.count);
    for (std::int64_t i = whole; i < h.d; ++i) to[i / kRows * kRows * keys.count + i % kRows] = v[i];
  }
}

void pack_keys(Float32Words, const AttentionHead& h, const Keys& keys) {
  const float* k = h.k + keys.first * h.k_stride;
  for (std::int64_t j = 0; j < keys.count; j += kRows, k += kRows * h.k_stride) {
    float* to = keys.k + j * h.d;
    const std::int64_t rows = std::min<std::int64_t>(kRows, keys.count - j);
    if (rows < kRows) std::fill_n(to, kRows * h.d, 0.0f);
    transpose(k, h.k_stride, rows, h.d, Unchanged(), to, kRows);
  }
}

/// Words of rows j and j + 1 of V, spread over the tiles: word i goes to place i % kRows of tile i / kRows.
template <class Words>
HWY_INLINE void pack_value_pair(const float* first, const float* second, std::int64_t count, std::int64_t tile_size, float* to) {
  const D d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float pairs[kMostLanes];
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto mask = hn::FirstN(d, static_cast<std::size_t>(count - i));
    hn::Store(Words::pair(hn::MaskedLoad(mask, d, first + i), second == nullptr ? hn::Zero(d) : hn::MaskedLoad(mask, d, second + i)), d, pairs);
    const std::int64_t end = std::min(lanes, rounded(count) - i);
    for (std::int64_t l = 0; l < end; ++l) to[(i + l) / kRows * tile_size + (i + l) % kRows] = pairs[l];
  }
}

template <class Words>
void pack_values(Words, const AttentionHead& h, const Keys& keys) {
  const std::int64_t depth = words<Words>(keys.count);
  if (hn::Lanes(D()) < kRows && h.d % kRows != 0)  // vectors shorter than a tile leave the last one's end alone
    std::fill_n(keys.v + h.d / kRows * kRows * depth, kRows * depth, 0.0f);
  for (std::int64_t j = 0; j < keys.count; j += 2) {
    const float* v = h.v + (keys.first + j) * h.v_stride;
    pack_value_pair<Words>(v, j + 1 < keys.count ? v + h.v_stride : nullptr, h.d, kRows * depth, keys.v + j / 2 * kRows);
  }
}

template <class Words>
void pack_queries(Words, const AttentionHead& h, const Queries& s) {
  const D d;
  if (s.count < s.width) std::fill_n(s.q, h.d * s.width, 0.0f);
  transpose(h.q + s.first * h.q_stride, h.q_stride, s.count, h.d, Scaled{h.scale * 1.44269504f}, s.q, s.width);
  if constexpr (Words::kColumns == 2) {
    const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for (std::int64_t i = 0; i < h.d; i += 2)  // in place: row i / 2 is behind the ones being read
      for (std::int64_t l = 0; l < s.width; l += lanes) {
        const float* row = s.q + i * s.width + l;
        const V second = i + 1 < h.d ? hn::Load(d, row + s.width) : hn::Zero(d);
        hn::Store(Words::pair(hn::Load(d, row), second), d, s.q + i / 2 * s.width + l);
      }
  }
  std::fill_n(s.peak, s.width, -std::numeric_limits<float>::infinity());
  std::fill_n(s.sum, s.width, 0.0f);
}

/// Minus infinity where the key comes after the query.
HWY_INLINE void mask_future(const Queries& s, const Keys& keys) {
  for (std::int64_t j = 0; j < keys.count; ++j) {
    const std::int64_t hidden = std::clamp<std::int64_t>(keys.first + j - s.first, 0, s.width);  // queries before the key
    std::fill_n(keys.scores + j * s.width, hidden, -std::numeric_limits<float>::infinity());
  }
}

/// The running maximum takes in the scores of keys `from` and on.
template <int kV>
HWY_INLINE void raise_peaks(D d, const Queries& s, const Keys& keys, std::int64_t from) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t v = 0; v < kV * lanes; v += lanes) {
    V peak = hn::Load(d, s.peak + v);
    for (std::int64_t j = from; j < keys.count; ++j) peak = hn::Max(peak, hn::Load(d, keys.scores + j * s.width + v));
    hn::Store(peak, d, s.peak + v);
  }
}

/// scores[j][i] = k[j] . q[i]. The running maximum takes part at once: what it was is kept in `before`.
template <class Words, int kV>
HWY_INLINE void score(D d, const AttentionHead& h, const Queries& s, const Keys& keys, V (&before)[kV]) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d)), depth = words<Words>(h.d);
  const bool hides = hides_keys(h, s, keys);
  for (int v = 0; v < kV; ++v) before[v] = hn::Load(d, s.peak + v * lanes);
  for (std::int64_t j = 0; j < keys.count; j += kRows) {
    V sum[kRows][kV];
    each_place<kV>([&](int r, int v) HWY_ATTR { sum[r][v] = hn::Zero(d); });
    multiply_add<Words, kV>(keys.k + j * depth, s.q, depth, sum);
    float* scores = keys.scores + j * s.width;
    each_place<kV>([&](int r, int v) HWY_ATTR { hn::Store(sum[r][v], d, scores + r * s.width + v * lanes); });
    if (hides) continue;
    if (j + kRows <= keys.count) {
      HWY_UNROLL(8)
      for (int v = 0; v < kV; ++v) {
        V peak = hn::Load(d, s.peak + v * lanes);
        HWY_UNROLL(8)
        for (int r = 0; r < kRows; ++r) peak = hn::Max(peak, sum[r][v]);
        hn::Store(peak, d, s.peak + v * lanes);
      }
    } else {
      raise_peaks<kV>(d, s, keys, j);
    }
  }
  if (!hides) return;
  mask_future(s, keys);
  raise_peaks<kV>(d, s, keys, 0);
}

/// Powers 2^(score - peak) as words, in place: row j / kColumns is behind the ones being read. The sums grow by them.
template <class Words, int kV>
HWY_INLINE void soften_rows(D d, const Queries& s, const Keys& keys, const V (&peak)[kV], V (&sum)[kV]) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t j = 0; j < keys.count; j += Words::kColumns) {
    const float* row = keys.scores + j * s.width;
    float* to = keys.scores + j / Words::kColumns * s.width;
    HWY_UNROLL(8)
    for (int v = 0; v < kV; ++v) {
      V p = exp2(d, hn::Sub(hn::Load(d, row + v * lanes), peak[v]));
      sum[v] = hn::Add(sum[v], p);
      if constexpr (Words::kColumns == 2) {
        V second = hn::Zero(d);
        if (j + 1 < keys.count) second = exp2(d, hn::Sub(hn::Load(d, row + s.width + v * lanes), peak[v]));
        sum[v] = hn::Add(sum[v], second);
        p = Words::pair(p, second);
      }
      hn::Store(p, d, to + v * lanes);
    }
  }
}

/// Scores to powers 2^(score - m); the running sum moves on. `keep`: the running maximum as it was, becomes what earlier sums are to be multiplied
/// by.
template <class Words, int kV>
HWY_INLINE void soften(D d, const Queries& s, const Keys& keys, V (&keep)[kV]) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V peak[kV], sum[kV];
  for (int v = 0; v < kV; ++v) {
    peak[v] = hn::Load(d, s.peak + v * lanes);
    keep[v] = exp2(d, hn::Sub(keep[v], peak[v]));
    sum[v] = hn::Mul(hn::Load(d, s.sum + v * lanes), keep[v]);
  }
  soften_rows<Words, kV>(d, s, keys, peak, sum);
  for (int v = 0; v < kV; ++v) hn::Store(sum[v], d, s.sum + v * lanes);
}

/// o = o * keep + v^T p
template <class Words, int kV>
HWY_INLINE void gather_values(D d, const AttentionHead& h, const Queries& s, const Keys& keys, const V (&keep)[kV]) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t depth = words<Words>(keys.count);
  const bool first = keys.first == 0;
  for (std::int64_t i = 0; i < h.d; i += kRows) {
    V sum[kRows][kV];
    float* o = s.o + i * s.width;
    each_place<kV>([&](int r, int v) HWY_ATTR { sum[r][v] = first ? hn::Zero(d) : hn::Mul(hn::Load(d, o + r * s.width + v * lanes), keep[v]); });
    multiply_add<Words, kV>(keys.v + i * depth, keys.scores, depth, sum);
    each_place<kV>([&](int r, int v) HWY_ATTR { hn::Store(sum[r][v], d, o + r * s.width + v * lanes); });
  }
}

template <int kV, class Words>
void attend(Words, const AttentionHead& h, const Queries& s, const Keys& keys) {
  const D d;
  V keep[kV];
  score<Words, kV>(d, h, s, keys, keep);
  soften<Words, kV>(d, s, keys, keep);
  gather_values<Words, kV>(d, h, s, keys, keep);
}

template <class Words>
void attend_with(const AttentionHead& h, std::int64_t begin, std::int64_t end, float* scratch) {
  constexpr std::int64_t kLanes = Words::kOutputs;
  const std::int64_t block = std::min(kKeyBlock, h.tk), depth = rounded(h.d);
  Keys keys{0, 0, scratch, scratch + kKeyBlock * depth, scratch + 2 * kKeyBlock * depth, nullptr};
  keys.scratch = keys.scores + kKeyBlock * kMostLanes * kVectors;
  Queries sets[kMostQueries / kVectors];
  const int count = cut(h, begin, end, kLanes, keys.scratch + kRows * depth, sets);
  for (int i = 0; i < count; ++i) pack_queries(Words(), h, sets[i]);
  for (keys.first = 0; keys.first < (h.causal ? end : h.tk); keys.first += block) {
    keys.count = std::min(block, h.tk - keys.first);
    pack_keys(Words(), h, keys);
    pack_values(Words(), h, keys);
    for (int i = 0; i < count; ++i) {
      const Queries& s = sets[i];
      if (h.causal && keys.first >= s.first + s.count) continue;
      switch (s.width / kLanes) {
        case 1: attend<1>(Words(), h, s, keys); break;
        case 2: attend<2>(Words(), h, s, keys); break;
        default: attend<3>(Words(), h, s, keys); break;
      }
    }
  }
  for (int i = 0; i < count; ++i) finish(h, sets[i]);
}

}  // namespace

void attend_queries(const AttentionHead& h, std::int64_t begin, std::int64_t end, Factors factors, float* scratch) {
#if HWY_TARGET == HWY_AVX3
  if (factors == Factors::bfloat16_by_instructions) return attend_with<BFloat16Dot>(h, begin, end, scratch);
  if (factors == Factors::bfloat16_by_tiles) return AttentionByTiles(h, begin, end, scratch).run();
  if (factors == Factors::float16_by_instructions) return attend_with<Float16>(h, begin, end, scratch);
#endif
  if (factors == Factors::float32) return attend_with<Float32Words>(h, begin, end, scratch);
  attend_with<BFloat16Pairs>(h, begin, end, scratch);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {
namespace {

HWY_EXPORT(attend_queries);

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

/// Queries that one thread takes at a time: many, since the keys are packed anew for each such group, but enough groups for the threads.
std::int64_t group_size(std::int64_t queries, std::int64_t heads) {
  const std::int64_t wanted = 4 * num_threads();
  const std::int64_t groups = std::max((queries + kMostQueries - 1) / kMostQueries, (wanted + heads - 1) / heads);
  return std::min(kMostQueries, round_up((queries + groups - 1) / groups, kQueryVectors * kMostLanes));
}

std::int64_t scratch_size(std::int64_t d, std::int64_t queries) {
  const std::int64_t depth = round_up(d, kMostOutputs);
  return (2 * kKeyBlock + kMostTileRows) * depth + kKeyBlock * kQueryVectors * kMostLanes + round_up(queries, kMostOutputs) * (2 * depth + 2);
}

Factors factors_of(DType arithmetic) {
  if (arithmetic == DType::bfloat16 && has_tiles()) return Factors::bfloat16_by_tiles;
  if (arithmetic == DType::bfloat16) return has_bfloat16_instructions() ? Factors::bfloat16_by_instructions : Factors::bfloat16;
  return arithmetic == DType::float16 && has_float16_instructions() ? Factors::float16_by_instructions : Factors::float32;
}

/// Head `index` of all images' heads.
AttentionHead head_of(const TensorView& q, const TensorView& k, const TensorView& v, const TensorView& out, int heads, std::int64_t index) {
  const std::int64_t image = index / heads, tq = q.shape[1], tk = k.shape[1], d = q.shape[2] / heads, first = index % heads * d;
  AttentionHead h;
  h.q = q.row(image * tq) + first, h.q_stride = q.row_stride;
  h.k = k.row(image * tk) + first, h.k_stride = k.row_stride;
  h.v = v.row(image * tk) + first, h.v_stride = v.row_stride;
  h.out = out.row(image * tq) + first, h.out_stride = out.row_stride;
  h.tk = tk, h.d = d;
  return h;
}

}  // namespace

void CpuBackend::attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal,
                           const TensorView& out) {
  if (q.count() == 0) return;
  const std::int64_t tq = q.shape[1], all_heads = q.shape[0] * heads, group = group_size(tq, all_heads);
  const std::int64_t groups = (tq + group - 1) / group, tasks = all_heads * groups;
  const std::int64_t products = q.count() * k.shape[1];
  constexpr std::int64_t kSmall = 1 << 18;  // multiply-adds that take less than waking the threads
  const int threads = products < kSmall ? 1 : num_threads();
  const std::int64_t size = scratch_size(q.shape[2] / heads, group);
  const Scratch scratch(pool_, static_cast<std::size_t>(threads * size));
  const Factors factors = factors_of(arithmetic_);
  std::atomic<std::int64_t> next{0};
  const auto work = [&](int thread, int) {
    if (thread >= threads) return;
    for (std::int64_t t; (t = next.fetch_add(1)) < tasks;) {
      AttentionHead head = head_of(q, k, v, out, heads, t / groups);
      head.scale = scale, head.causal = causal;
      const std::int64_t begin = t % groups * group;
      IMPASTO_DISPATCH(attend_queries)(head, begin, std::min(tq, begin + group), factors, scratch.data() + thread * size);
    }
  };
  if (threads == 1) {
    parallel_for(1, 1, [&](std::int64_t, std::int64_t) { work(0, 1); });
  } else {
    parallel_run(work);
  }
}

}  // namespace impasto
#endif  // HWY_ONCE
