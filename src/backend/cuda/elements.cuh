// Elements in device code: float32, float16 and bfloat16, one at a time or several in one access; and how blocks share rows of them.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "backend/cuda/cuda_backend.h"
#include "core/fail.h"

namespace impasto::cuda {

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T>
__device__ __forceinline__ T from_float(float x) {
  if constexpr (sizeof(T) == 4) {
    return x;
  } else if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(x);
  } else {
    return __float2bfloat16_rn(x);
  }
}

template <typename T>
__device__ __forceinline__ float load(const T* p) {
  return to_float(*p);
}
template <typename T>
__device__ __forceinline__ void store(T* p, float x) {
  *p = from_float<T>(x);
}

/// Element i of an array whose type is known at run time only.
__device__ __forceinline__ float load_any(const void* p, std::int64_t i, DType type) {
  if (type == DType::float16) return load(static_cast<const __half*>(p) + i);
  if (type == DType::bfloat16) return load(static_cast<const __nv_bfloat16*>(p) + i);
  return static_cast<const float*>(p)[i];
}
__device__ __forceinline__ void store_any(void* p, std::int64_t i, DType type, float x) {
  if (type == DType::float16) return store(static_cast<__half*>(p) + i, x);
  if (type == DType::bfloat16) return store(static_cast<__nv_bfloat16*>(p) + i, x);
  static_cast<float*>(p)[i] = x;
}

/// W elements as they are stored, loaded by accesses of up to 16 bytes; the address is a multiple of that. They stay in words until they are needed:
/// in registers, 16-bit elements of their own would take a word each.
template <typename T, int W = 8>
struct alignas(sizeof(T) * W > 16 ? 16 : sizeof(T) * W) Packet {
  static constexpr int kWords = static_cast<int>(sizeof(T)) * W / 4;
  unsigned words[kWords];

  __device__ __forceinline__ void unpack(float (&to)[W]) const {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < W; ++i) to[i] = __uint_as_float(words[i]);
    } else {
#pragma unroll
      for (int i = 0; i < kWords; ++i) {
        if constexpr (std::is_same_v<T, __half>) {
          const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&words[i]));
          to[2 * i] = pair.x;
          to[2 * i + 1] = pair.y;
        } else {  // bfloat16 is the upper half of a float32
          to[2 * i] = __uint_as_float(words[i] << 16);
          to[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000u);
        }
      }
    }
  }
  __device__ __forceinline__ void pack(const float (&from)[W]) {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < W; ++i) words[i] = __float_as_uint(from[i]);
    } else {
#pragma unroll
      for (int i = 0; i < kWords; ++i) {
        if constexpr (std::is_same_v<T, __half>) {
          const __half2 pair = __floats2half2_rn(from[2 * i], from[2 * i + 1]);
          words[i] = *reinterpret_cast<const unsigned*>(&pair);
        } else {
          const __nv_bfloat162 pair = __floats2bfloat162_rn(from[2 * i], from[2 * i + 1]);
          words[i] = *reinterpret_cast<const unsigned*>(&pair);
        }
      }
    }
  }
};

template <typename T, int W = 8>
__device__ __forceinline__ Packet<T, W> load_packet(const T* p) {
  Packet<T, W> packet;
  if constexpr (sizeof(packet) == 8) {
    const uint2 words = *reinterpret_cast<const uint2*>(p);
    packet.words[0] = words.x;
    packet.words[1] = words.y;
  } else {
    static_assert(sizeof(packet) % 16 == 0);
#pragma unroll
    for (int i = 0; i < packet.kWords; i += 4) {
      const uint4 words = reinterpret_cast<const uint4*>(p)[i / 4];
      packet.words[i] = words.x;
      packet.words[i + 1] = words.y;
      packet.words[i + 2] = words.z;
      packet.words[i + 3] = words.w;
    }
  }
  return packet;
}
template <typename T>
__device__ __forceinline__ void store_packet(T* p, const Packet<T>& packet) {
#pragma unroll
  for (int i = 0; i < packet.kWords; i += 4) {
    reinterpret_cast<uint4*>(p)[i / 4] = make_uint4(packet.words[i], packet.words[i + 1], packet.words[i + 2], packet.words[i + 3]);
  }
}
template <typename T>
__device__ __forceinline__ void load_eight(const T* p, float (&to)[8]) {
  load_packet(p).unpack(to);
}
template <typename T>
__device__ __forceinline__ void store_eight(T* p, const float (&from)[8]) {
  Packet<T> packet;
  packet.pack(from);
  store_packet(p, packet);
}
/// Elements i .. i + 7; i is a multiple of 8.
__device__ __forceinline__ void load_eight_any(const void* p, std::int64_t i, DType type, float (&to)[8]) {
  if (type == DType::float16) return load_eight(static_cast<const __half*>(p) + i, to);
  if (type == DType::bfloat16) return load_eight(static_cast<const __nv_bfloat16*>(p) + i, to);
  load_eight(static_cast<const float*>(p) + i, to);
}

__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }

__device__ __forceinline__ float activated(float x, Activation activation) {
  switch (activation) {
    case Activation::none: break;
    case Activation::silu: return x / (1.0f + expf(-x));
    case Activation::gelu: return gelu(x);
    case Activation::quick_gelu: return x / (1.0f + expf(-1.702f * x));
  }
  return x;
}

/// 2 to the power of x to 22 bits; what is below the normal numbers is 0.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// 1 / x to a unit of the last place; of infinity, and what is near it, 0.
__device__ __forceinline__ float fast_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// x / (1 + exp(-x)), to a few units of float32's last place where T has fewer places than that.
template <typename T>
__device__ __forceinline__ float silu_for(float x) {
  if constexpr (sizeof(T) == 4) {
    return x / (1.0f + expf(-x));
  } else {
    return x * fast_reciprocal(1.0f + fast_exp2(-1.44269504088896341f * x));
  }
}

/// GELU with an error function off by 1.5e-7 at most (Abramowitz and Stegun 7.1.26) where T has fewer places than that. erfc(|z|) = poly(t) exp(-z^2)
/// is used as it is, x >= 0: x - x erfc / 2, x < 0: x erfc / 2, so that nothing cancels far below zero. y^2 is the exponent to the base of 2, and the
/// polynomial has the factor -|x| / (2 |y|).
template <typename T>
__device__ __forceinline__ float gelu_for(float x) {
  if constexpr (sizeof(T) == 4) {
    return gelu(x);
  } else {
    constexpr float kScale = 0.84932180028801904f, kFactor = -0.5f / kScale;  // sqrt(log2(e) / 2)
    const float y = kScale * x, size = fabsf(y);
    const float t = fast_reciprocal(fmaf(0.3275911f * 0.70710678f / kScale, size, 1.0f));
    float poly = fmaf(kFactor * 1.061405429f, t, kFactor * -1.453152027f);
    poly = fmaf(poly, t, kFactor * 1.421413741f);
    poly = fmaf(poly, t, kFactor * -0.284496736f);
    poly = fmaf(poly, t, kFactor * 0.254829592f) * t;
    return fmaf(poly * fast_exp2(-y * y), size, fmaxf(x, 0.0f));
  }
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  return x;
}

/// Of all threads' values, in an order that depends on the block's size only, given to all threads. `shared` has a place for each warp, all full.
template <typename T, typename Join>
__device__ __forceinline__ T block_join(T x, T* shared, Join join) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) x = join(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  __syncthreads();  // the last call's readers are through
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  x = shared[0];
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) x = join(x, shared[warp]);
  return x;
}
template <typename T>
__device__ __forceinline__ T block_sum(T x, T* shared) {
  return block_join(x, shared, [](T a, T b) { return a + b; });
}
__device__ __forceinline__ float block_max(float x, float* shared) {
  return block_join(x, shared, [](float a, float b) { return fmaxf(a, b); });
}

/// Rows of `vectors` packets, shared by blocks: a thread keeps one column and takes every lanes-th row of its block's.
struct RowWalk {
  int vectors;
  int span;           ///< columns of a block
  int lanes;          ///< rows that a block works on at a time
  int column_blocks;  ///< gridDim.y
  int row_blocks;     ///< gridDim.x, for each image
  std::int64_t rows, rows_per_block;

  int threads() const { return span * lanes; }
  dim3 grid(std::int64_t images = 1) const { return dim3(static_cast<unsigned>(row_blocks * images), static_cast<unsigned>(column_blocks)); }

  __device__ __forceinline__ int column() const { return static_cast<int>(blockIdx.y) * span + static_cast<int>(threadIdx.x) % span; }
  __device__ __forceinline__ std::int64_t image() const { return static_cast<int>(blockIdx.x) / row_blocks; }
  /// Within the image.
  __device__ __forceinline__ std::int64_t first_row() const {
    return static_cast<int>(blockIdx.x) % row_blocks * rows_per_block + static_cast<int>(threadIdx.x) / span;
  }
  __device__ __forceinline__ std::int64_t end_row() const {
    const std::int64_t end = (static_cast<int>(blockIdx.x) % row_blocks + 1) * rows_per_block;
    return end < rows ? end : rows;
  }
};

/// Threads of up to 64 registers that the device holds at a time.
inline std::int64_t full_house(const CudaBackend& backend) { return std::int64_t{1024} * backend.multiprocessors(); }

/// `rows` of each of `images`, in blocks of up to 256 threads that are about `threads` in all; a small tensor is spread over as many as it has
/// packets.
inline RowWalk walk_rows(std::int64_t images, std::int64_t rows, std::int64_t columns, std::int64_t threads) {
  RowWalk walk{};
  walk.vectors = static_cast<int>(columns / 8);
  walk.column_blocks = (walk.vectors + 255) / 256;
  walk.span = (walk.vectors + walk.column_blocks - 1) / walk.column_blocks;
  walk.lanes = 256 / walk.span;
  walk.rows = rows;
  const std::int64_t turns = (images * rows * walk.vectors + threads - 1) / threads;
  walk.rows_per_block = walk.lanes * std::clamp<std::int64_t>(turns, 1, 32);
  walk.row_blocks = static_cast<int>((rows + walk.rows_per_block - 1) / walk.rows_per_block);
  return walk;
}

/// As TensorView, for kernels.
struct Rows {
  void* data;
  DType type;
  std::int64_t stride;
  __device__ __forceinline__ float get(std::int64_t row, std::int64_t column) const { return load_any(data, row * stride + column, type); }
  __device__ __forceinline__ void set(std::int64_t row, std::int64_t column, float x) const { store_any(data, row * stride + column, type, x); }
  __device__ __forceinline__ void get_eight(std::int64_t row, int column, float (&to)[8]) const {
    load_eight_any(data, row * stride + column, type, to);
  }
};
inline Rows rows_of(const TensorView& t) { return {t.data, t.dtype, t.row_stride}; }

/// Blocks of `threads` for a loop over `count` elements by strides of the whole grid.
inline unsigned stride_blocks(std::int64_t count, int threads = 256) {
  return static_cast<unsigned>(std::clamp<std::int64_t>((count + threads - 1) / threads, 1, 8192));
}
__device__ __forceinline__ std::int64_t stride_start() { return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ std::int64_t stride_step() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

/// Whether 16-byte accesses reach all of the view's rows in whole packets.
inline bool packs(const TensorView& t) {
  return reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0 && t.shape.back() % 8 == 0 && t.row_stride % 8 == 0;
}
inline bool packs_or_empty(const TensorView& t) { return !t || packs(t); }

/// Calls f.operator()<T>() with the type's T.
template <typename F>
void with_type(DType type, const F& f) {
  switch (type) {
    case DType::float32: return f.template operator()<float>();
    case DType::float16: return f.template operator()<__half>();
    case DType::bfloat16: return f.template operator()<__nv_bfloat16>();
    default: fail(ErrorKind::internal, "CUDA kernels compute with floats of up to 32 bits, not ", to_string(type));
  }
}

}  // namespace impasto::cuda
