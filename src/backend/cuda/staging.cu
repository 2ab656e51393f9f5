// What the libraries' products read: inputs and weights brought into their layout.
#include "backend/cuda/check.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto::cuda {
namespace {

/// Packets that a thread has in flight.
template <typename T>
constexpr int kUnroll = sizeof(T) == 4 ? 2 : 4;

// --- convert_columns

template <typename S, typename T>
__global__ void __launch_bounds__(256, 4)
    convert_packets(const S* x, std::int64_t x_stride, int x_packets, T* out, std::int64_t out_stride, RowWalk walk) {
  const int column = walk.column();
  constexpr int kTurns = kUnroll<S>;
  if (column >= walk.vectors) return;
  const bool inside = column < x_packets;
  x += column * 8;
  out += column * 8;
  const std::int64_t end = walk.end_row();
  for (std::int64_t row = walk.first_row(); row < end; row += kTurns * walk.lanes) {
    Packet<S> packets[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (inside && r < end) packets[k] = load_packet(x + r * x_stride);
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r >= end) continue;
      float values[8] = {};
      if (inside) packets[k].unpack(values);
      store_eight(out + r * out_stride, values);
    }
  }
}

__global__ void convert_any(Rows x, std::int64_t x_columns, Rows out, std::int64_t columns, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t row = i / columns, column = i % columns;
    out.set(row, column, column < x_columns ? x.get(row, column) : 0.0f);
  }
}

// --- pack_filters

/// A thread for each packed element; reads are scattered, but this runs once for each layer.
__global__ void pack_filters_any(Rows weight, std::int64_t out_channels, std::int64_t in_channels, int taps, Rows packed, std::int64_t packed_in,
                                 std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t in = i % packed_in, tap = i / packed_in % taps, out = i / packed_in / taps;
    const bool inside = in < in_channels && out < out_channels;
    store_any(packed.data, i, packed.type, inside ? load_any(weight.data, (out * in_channels + in) * taps + tap, weight.type) : 0.0f);
  }
}

// --- stage_map

enum class Stage { copy, affine, affine_silu };

struct Map {
  const float* scale;
  const float* shift;
  std::int64_t scale_stride, shift_stride;
  Activation activation;
};

/// What a thread knows of its eight channels of one image.
template <typename T, Stage kStage>
struct Channels {
  float scale[8], shift[8];
  __device__ __forceinline__ void read(const Map& map, std::int64_t image, int channel) {
    if constexpr (kStage != Stage::copy) {
      load_eight(map.scale + image * map.scale_stride + channel, scale);
      load_eight(map.shift + image * map.shift_stride + channel, shift);
    }
  }
  __device__ __forceinline__ Packet<T> apply(const Packet<T>& packet) const {
    if constexpr (kStage == Stage::copy) {
      return packet;
    } else {
      float values[8];
      packet.unpack(values);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        values[i] = fmaf(values[i], scale[i], shift[i]);
        if (kStage == Stage::affine_silu) values[i] = silu_for<T>(values[i]);
      }
      Packet<T> result;
      result.pack(values);
      return result;
    }
  }
};

/// Where out has x's pixels, neither more nor less. out may be x.
template <typename T, Stage kStage>
__global__ void __launch_bounds__(256, 4) stage_rows(const T* x, std::int64_t x_stride, Map map, T* out, std::int64_t out_stride, RowWalk walk) {
  const int column = walk.column();
  constexpr int kTurns = kUnroll<T>;
  if (column >= walk.vectors) return;
  const std::int64_t end = walk.end_row();
  x += walk.image() * walk.rows * x_stride + column * 8;
  out += walk.image() * walk.rows * out_stride + column * 8;
  Channels<T, kStage> channels;
  channels.read(map, walk.image(), column * 8);
  for (std::int64_t row = walk.first_row(); row < end; row += kTurns * walk.lanes) {
    Packet<T> packets[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r < end) packets[k] = load_packet(x + r * x_stride);
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r < end) store_packet(out + r * out_stride, channels.apply(packets[k]));
    }
  }
}

struct Placement {
  int height, width;          ///< of x
  int out_height, out_width;  ///< of out
  int upsample, top, left;
};

/// `walk` goes along a row of out's pixels, its "images" are out's rows.
template <typename T, Stage kStage>
__global__ void __launch_bounds__(256, 4)
    stage_pixels(const T* x, std::int64_t x_stride, int x_packets, Map map, Placement place, T* out, std::int64_t out_stride, RowWalk walk) {
  const int column = walk.column();
  constexpr int kTurns = kUnroll<T>;
  if (column >= walk.vectors) return;
  const std::int64_t line = walk.image(), image = line / place.out_height;
  const int y = static_cast<int>(line - image * place.out_height) - place.top;
  const bool inside = y >= 0 && y < place.height * place.upsample && column < x_packets;
  out += line * place.out_width * out_stride + column * 8;
  Channels<T, kStage> channels;
  if (inside) {
    x += (image * place.height + y / place.upsample) * place.width * x_stride + column * 8;
    channels.read(map, image, column * 8);
  }
  const int end = static_cast<int>(walk.end_row()), enlarged = place.width * place.upsample;
  for (int at = static_cast<int>(walk.first_row()); at < end; at += kTurns * walk.lanes) {
    Packet<T> packets[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const int from = at + k * walk.lanes - place.left;
      if (inside && from >= 0 && from < enlarged) packets[k] = load_packet(x + from / place.upsample * x_stride);
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const int to = at + k * walk.lanes, from = to - place.left;
      if (to >= end) continue;
      if (inside && from >= 0 && from < enlarged) {
        store_packet(out + to * out_stride, channels.apply(packets[k]));
      } else {
        const float zeros[8] = {};
        store_eight(out + to * out_stride, zeros);
      }
    }
  }
}

__global__ void stage_any(Rows x, std::int64_t x_channels, Map map, Placement place, Rows out, std::int64_t out_channels, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t pixel = i / out_channels, channel = i % out_channels, line = pixel / place.out_width, image = line / place.out_height;
    const int column = static_cast<int>(pixel % place.out_width) - place.left, y = static_cast<int>(line % place.out_height) - place.top;
    float value = 0;
    if (channel < x_channels && y >= 0 && column >= 0 && y < place.height * place.upsample && column < place.width * place.upsample) {
      value = x.get((image * place.height + y / place.upsample) * place.width + column / place.upsample, channel);
      if (map.scale != nullptr) {
        value = fmaf(value, map.scale[image * map.scale_stride + channel], map.shift[image * map.shift_stride + channel]);
        value = activated(value, map.activation);
      }
    }
    out.set(pixel, channel, value);
  }
}

template <typename T, Stage kStage>
void launch_stage(CudaBackend& backend, const TensorView& x, const Map& map, const Placement& place, const TensorView& out) {
  const cudaStream_t stream = backend.stream();
  const bool in_place = place.upsample == 1 && place.top == 0 && place.left == 0 && place.height == place.out_height &&
                        place.width == place.out_width && x.shape.back() == out.shape.back();
  if (in_place) {
    const RowWalk walk = walk_rows(out.shape[0], out.rows() / out.shape[0], out.shape.back(), full_house(backend));
    stage_rows<T, kStage><<<walk.grid(out.shape[0]), walk.threads(), 0, stream>>>(x.as<T>(), x.row_stride, map, out.as<T>(), out.row_stride, walk);
    require_launched("stage_rows");
    return;
  }
  const std::int64_t lines = out.shape[0] * out.shape[1];
  const RowWalk walk = walk_rows(lines, out.shape[2], out.shape.back(), full_house(backend));
  stage_pixels<T, kStage><<<walk.grid(lines), walk.threads(), 0, stream>>>(x.as<T>(), x.row_stride, static_cast<int>(x.shape.back() / 8), map, place,
                                                                           out.as<T>(), out.row_stride, walk);
  require_launched("stage_pixels");
}

}  // namespace

void convert_columns(CudaBackend& backend, const TensorView& x, const TensorView& out) {
  if (out.count() == 0) return;
  if (packs(x) && packs(out)) {
    const RowWalk walk = walk_rows(1, out.rows(), out.shape.back(), full_house(backend));
    with_type(x.dtype, [&]<typename S>() {
      with_type(out.dtype, [&]<typename T>() {
        convert_packets<S, T><<<walk.grid(), walk.threads(), 0, backend.stream()>>>(x.as<S>(), x.row_stride, static_cast<int>(x.shape.back() / 8),
                                                                                    out.as<T>(), out.row_stride, walk);
      });
    });
    require_launched("convert_packets");
    return;
  }
  convert_any<<<stride_blocks(out.count()), 256, 0, backend.stream()>>>(rows_of(x), x.shape.back(), rows_of(out), out.shape.back(), out.count());
  require_launched("convert_any");
}

void pack_filters(CudaBackend& backend, const TensorView& weight, const TensorView& packed) {
  if (packed.count() == 0) return;
  const int taps = static_cast<int>(weight.shape[2] * weight.shape[3]);
  pack_filters_any<<<stride_blocks(packed.count()), 256, 0, backend.stream()>>>(rows_of(weight), weight.shape[0], weight.shape[1], taps,
                                                                                rows_of(packed), packed.shape.back(), packed.count());
  require_launched("pack_filters_any");
}

void stage_map(CudaBackend& backend, const TensorView& x, const Prologue& prologue, int upsample, int top, int left, const TensorView& out) {
  if (out.count() == 0) return;
  const Map map{prologue.scale.as(), prologue.shift.as(), prologue.scale.row_stride, prologue.shift.row_stride, prologue.activation};
  const auto size = [](std::int64_t side) { return static_cast<int>(side); };
  const Placement place{size(x.shape[1]), size(x.shape[2]), size(out.shape[1]), size(out.shape[2]), upsample, top, left};
  const bool usual = !prologue.scale || prologue.activation == Activation::none || prologue.activation == Activation::silu;
  if (usual && x.dtype == out.dtype && packs(x) && packs(out) && packs_or_empty(prologue.scale) && packs_or_empty(prologue.shift)) {
    with_type(x.dtype, [&]<typename T>() {
      if (!prologue.scale) {
        launch_stage<T, Stage::copy>(backend, x, map, place, out);
      } else if (prologue.activation == Activation::silu) {
        launch_stage<T, Stage::affine_silu>(backend, x, map, place, out);
      } else {
        launch_stage<T, Stage::affine>(backend, x, map, place, out);
      }
    });
    return;
  }
  stage_any<<<stride_blocks(out.count()), 256, 0, backend.stream()>>>(rows_of(x), x.shape.back(), map, place, rows_of(out), out.shape.back(),
                                                                      out.count());
  require_launched("stage_any");
}

}  // namespace impasto::cuda
