// Group normalisation in two kernels: moments of chunks of rows, and the map, whose blocks join the moments that they need while their first rows are
// on the way. Moments are float32 means and sums of squared deviations from them, joined as Chan et al. (1979) do, so that a mean far from zero takes
// nothing from the deviation; everything is added in one order, whatever the device and the batch.
#include <numeric>

#include "backend/cuda/check.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kMaxChunks = 256;
constexpr int kMaxBlockGroups = 130;  // of 8 * 256 channels, in groups of 16 and more, or of all groups

/// A set is some neighbouring groups whose channels are whole packets; a block of the first kernel has a set, and a chunk of an image's rows.
struct Split {
  int rows, channels, width, groups;
  int set_groups, packets;  ///< of a set: its groups, and packets of a row
  int lanes;                ///< rows that a block has at a time
  int chunk_rows, chunks;

  __device__ __forceinline__ int rows_of(int chunk) const { return min(chunk_rows, rows - chunk * chunk_rows); }
};

/// Channels begin .. begin + 7 are of one group up to `split`, and of the next behind.
__device__ __forceinline__ int split_of(int begin, int width) { return min(8, width - begin % width); }

/// partials [images, groups, chunks]. Sums are of differences from the group's first value in the chunk, which is one of its values.
template <typename T>
__global__ void __launch_bounds__(kThreads) group_moments(const T* x, Split s, float2* partials) {
  __shared__ float4 parts[kThreads];
  const int chunk = static_cast<int>(blockIdx.x) % s.chunks, image = static_cast<int>(blockIdx.x) / s.chunks, set = static_cast<int>(blockIdx.y);
  const int lane = static_cast<int>(threadIdx.x) / s.packets, column = static_cast<int>(threadIdx.x) % s.packets, taken = s.rows_of(chunk);
  x += (static_cast<std::int64_t>(image) * s.rows + static_cast<std::int64_t>(chunk) * s.chunk_rows) * s.channels + set * s.packets * 8;
  constexpr int kTurns = 4;

  const int group = column * 8 / s.width, split = split_of(column * 8, s.width);
  const float first = load(x + group * s.width), second = split < 8 ? load(x + (group + 1) * s.width) : first;
  float sums[8] = {}, squares[8] = {};
  if (lane < s.lanes) {
    const T* from = x + column * 8;
    for (int row = lane; row < taken; row += kTurns * s.lanes) {
      Packet<T> packets[kTurns];
#pragma unroll
      for (int k = 0; k < kTurns; ++k) {
        if (row + k * s.lanes < taken) packets[k] = load_packet(from + static_cast<std::int64_t>(row + k * s.lanes) * s.channels);
      }
#pragma unroll
      for (int k = 0; k < kTurns; ++k) {
        if (row + k * s.lanes >= taken) continue;
        float values[8];
        packets[k].unpack(values);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          const float d = values[i] - (i < split ? first : second);
          sums[i] += d;
          squares[i] = fmaf(d, d, squares[i]);
        }
      }
    }
  }
  float4 part = {};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    part.x += i < split ? sums[i] : 0.0f;
    part.y += i < split ? squares[i] : 0.0f;
    part.z += i < split ? 0.0f : sums[i];
    part.w += i < split ? 0.0f : squares[i];
  }
  parts[threadIdx.x] = part;
  __syncthreads();

  const int warp = static_cast<int>(threadIdx.x) / 32, thread = static_cast<int>(threadIdx.x) % 32, filled = min(s.lanes, taken);
  for (int g = warp; g < s.set_groups; g += kWarps) {
    const int begin = g * s.width, first_column = begin / 8, span = (begin + s.width - 1) / 8 - first_column + 1;
    float sum = 0, square = 0;
    for (int entry = thread; entry < filled * span; entry += 32) {
      const int at = first_column + entry % span;
      const float4 of = parts[entry / span * s.packets + at];
      const bool next = at * 8 < begin;
      sum += next ? of.z : of.x;
      square += next ? of.w : of.y;
    }
    sum = warp_sum(sum), square = warp_sum(square);
    if (thread != 0) continue;
    const float mean = sum / (static_cast<float>(taken) * static_cast<float>(s.width));
    partials[(static_cast<std::int64_t>(image) * s.groups + set * s.set_groups + g) * s.chunks + chunk] =
        make_float2(load(x + begin) + mean, fmaxf(square - sum * mean, 0.0f));
  }
}

/// out may be x.
template <typename T, bool kSilu>
__global__ void __launch_bounds__(kThreads, 3)
    normalise_rows(const T* x, const float2* partials, const float* gamma, const float* beta, float eps, Split s, T* out, RowWalk walk) {
  __shared__ float2 moments[kMaxBlockGroups];  // mean and 1 / deviation
  const int column = walk.column();
  const bool inside = column < walk.vectors;
  constexpr int kTurns = 4;
  const std::int64_t image = walk.image(), end = walk.end_row(), begin = walk.first_row();
  x += image * walk.rows * s.channels + column * 8;
  out += image * walk.rows * s.channels + column * 8;

  Packet<T> packets[kTurns];
  const auto read = [&](std::int64_t row) {
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (inside && r < end) packets[k] = load_packet(x + r * s.channels);
    }
  };
  read(begin);

  const int first_channel = static_cast<int>(blockIdx.y) * walk.span * 8, first_group = first_channel / s.width;
  const int last_group = (min(first_channel + walk.span * 8, s.channels) - 1) / s.width;
  const int warp = static_cast<int>(threadIdx.x) / 32, thread = static_cast<int>(threadIdx.x) % 32, warps = static_cast<int>(blockDim.x) / 32;
  const float width = static_cast<float>(s.width), all = static_cast<float>(s.rows);
  // Some groups at a time, so that one wait for memory serves them all; a lane has one chunk, or every 32nd.
  constexpr int kAtOnce = 5;
  partials += image * s.groups * s.chunks;
  for (int from = first_group + warp; warp < warps && from <= last_group; from += kAtOnce * warps) {
    float2 of[kAtOnce];
    float means[kAtOnce], deviations[kAtOnce];
    const float rows = thread < s.chunks ? static_cast<float>(s.rows_of(thread)) : 0.0f;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int group = from + i * warps;
      of[i] = group <= last_group && thread < s.chunks ? partials[group * s.chunks + thread] : make_float2(0, 0);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      means[i] = rows * of[i].x;
      const int group = from + i * warps;
      for (int chunk = thread + 32; group <= last_group && chunk < s.chunks; chunk += 32)
        means[i] = fmaf(static_cast<float>(s.rows_of(chunk)), partials[group * s.chunks + chunk].x, means[i]);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) means[i] = warp_sum(means[i]) / all;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const float d = of[i].x - means[i];
      deviations[i] = fmaf(rows * width * d, d, of[i].y);
      const int group = from + i * warps;
      for (int chunk = thread + 32; group <= last_group && chunk < s.chunks; chunk += 32) {
        const float2 other = partials[group * s.chunks + chunk];
        const float e = other.x - means[i];
        deviations[i] += fmaf(static_cast<float>(s.rows_of(chunk)) * width * e, e, other.y);
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) deviations[i] = warp_sum(deviations[i]);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int group = from + i * warps;
      if (thread == 0 && group <= last_group) moments[group - first_group] = make_float2(means[i], 1.0f / sqrtf(deviations[i] / (all * width) + eps));
    }
  }
  __syncthreads();
  if (!inside) return;

  float factors[8], offsets[8];
  load_eight(gamma + column * 8, factors);
  load_eight(beta + column * 8, offsets);
  const int group = column * 8 / s.width, split = split_of(column * 8, s.width);
  const float2 own = moments[group - first_group], next = split < 8 ? moments[group + 1 - first_group] : own;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float2 m = i < split ? own : next;
    factors[i] *= m.y;
    offsets[i] = fmaf(-m.x, factors[i], offsets[i]);
  }
  for (std::int64_t row = begin; row < end; row += kTurns * walk.lanes) {
    if (row != begin) read(row);
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r >= end) continue;
      float values[8];
      packets[k].unpack(values);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        values[i] = fmaf(values[i], factors[i], offsets[i]);
        if (kSilu) values[i] = silu_for<T>(values[i]);
      }
      store_eight(out + r * s.channels, values);
    }
  }
}

/// How the first kernel shares a map; no chunks where it cannot.
Split split_map(const TensorView& x, int groups) {
  constexpr int kLeastPackets = 4;       // 64 bytes of a row at a time
  constexpr int kBlocksOfAnImage = 160;  // a batch of two fills the devices of today, one is not slowed by it
  constexpr int kLeastTurns = 2, kMostTurns = 16;
  const std::int64_t images = x.shape[0], rows = x.rows() / images, channels = x.shape.back(), width = channels / groups;
  Split s{};
  if ((width < 8 && width != 4) || rows >= (1 << 24)) return s;
  std::int64_t set_groups = 8 / std::gcd(width, std::int64_t{8});
  while (set_groups * width / 8 < kLeastPackets && groups % (2 * set_groups) == 0) set_groups *= 2;
  if (groups % set_groups != 0 || set_groups * width / 8 > kThreads || groups / set_groups > 65535) return s;
  s.rows = static_cast<int>(rows), s.channels = static_cast<int>(channels), s.width = static_cast<int>(width), s.groups = groups;
  s.set_groups = static_cast<int>(set_groups), s.packets = static_cast<int>(set_groups * width / 8);
  s.lanes = kThreads / s.packets;
  const std::int64_t sets = groups / set_groups;
  const std::int64_t most = std::clamp<std::int64_t>(rows / (s.lanes * kLeastTurns), 1, kMaxChunks);
  const std::int64_t wanted = std::max<std::int64_t>((kBlocksOfAnImage + sets - 1) / sets, rows / (s.lanes * kMostTurns));
  const std::int64_t chunks = std::min(wanted, most);
  s.chunk_rows = static_cast<int>((rows + chunks - 1) / chunks);
  s.chunks = static_cast<int>((rows + s.chunk_rows - 1) / s.chunk_rows);
  return s;
}

}  // namespace

bool group_norm_by_moments(CudaBackend& backend, const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps,
                           Activation activation, const TensorView& out) {
  const bool usual = activation == Activation::none || activation == Activation::silu;
  if (!usual || x.dtype == DType::float32 || x.dtype != out.dtype || !packs(x) || !packs(out) || !x.contiguous() || !out.contiguous() ||
      !packs(gamma) || !packs(beta))
    return false;
  const Split s = split_map(x, groups);
  if (s.chunks == 0) return false;
  const std::int64_t images = x.shape[0];
  RowWalk walk = walk_rows(images, s.rows, s.channels, full_house(backend) / 2);
  // whole warps join the moments
  if (walk.threads() < 32 || (walk.span * 8 + s.width - 1) / s.width + 1 > kMaxBlockGroups) return false;
  const Scratch partials(backend, static_cast<std::size_t>(images * groups * s.chunks) * sizeof(float2));
  const dim3 grid(static_cast<unsigned>(images * s.chunks), static_cast<unsigned>(groups / s.set_groups));
  const auto run = [&]<typename T>() {
    group_moments<T><<<grid, kThreads, 0, backend.stream()>>>(x.as<T>(), s, partials.as<float2>());
    require_launched("group_moments");
    const auto kernel = activation == Activation::silu ? normalise_rows<T, true> : normalise_rows<T, false>;
    kernel<<<walk.grid(images), walk.threads(), 0, backend.stream()>>>(x.as<T>(), partials.as<float2>(), gamma.as(), beta.as(), eps, s, out.as<T>(),
                                                                       walk);
    require_launched("normalise_rows");
  };
  if (x.dtype == DType::float16) {
    run.operator()<__half>();
  } else {
    run.operator()<__nv_bfloat16>();
  }
  return true;
}

}  // namespace impasto::cuda
