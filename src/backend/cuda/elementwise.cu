// Operations that read each element once. What a sampling step's tensors need is a loop over elements of any type; what feature maps need goes by
// packets of 16 bytes.
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.cuh"

namespace impasto {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMaxTerms = 8;

__global__ void activate_any(Rows x, Activation activation, Rows out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    store_any(out.data, i, out.type, activated(load_any(x.data, i, x.type), activation));
  }
}

/// All of one type, whole packets. out may be a or b.
template <typename T>
__global__ void __launch_bounds__(kThreads) add_packets(const T* a, const T* b, T* out, std::int64_t packets) {
  constexpr int kTurns = 2;
  const std::int64_t step = stride_step();
  for (std::int64_t i = stride_start(); i < packets; i += kTurns * step) {
    Packet<T> x[kTurns], y[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (i + k * step >= packets) continue;
      x[k] = load_packet(a + (i + k * step) * 8);
      y[k] = load_packet(b + (i + k * step) * 8);
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (i + k * step >= packets) continue;
      float sums[8], others[8];
      x[k].unpack(sums);
      y[k].unpack(others);
#pragma unroll
      for (int e = 0; e < 8; ++e) sums[e] += others[e];
      store_eight(out + (i + k * step) * 8, sums);
    }
  }
}

__global__ void add_any(Rows a, Rows b, Rows out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    store_any(out.data, i, out.type, load_any(a.data, i, a.type) + load_any(b.data, i, b.type));
  }
}

struct Sum {
  int count;
  float coefficients[kMaxTerms];
  Rows terms[kMaxTerms];
};

/// A kernel, because between kernels a copy by the driver waits and is waited for longer than it takes.
__global__ void __launch_bounds__(kThreads) copy_units(const uint4* from, uint4* to, std::int64_t count) {
  constexpr int kTurns = 4;
  const std::int64_t step = stride_step();
  for (std::int64_t i = stride_start(); i < count; i += kTurns * step) {
    uint4 units[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (i + k * step < count) units[k] = from[i + k * step];
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (i + k * step < count) to[i + k * step] = units[k];
    }
  }
}

/// float32 throughout, contiguous, whole quadruples; arithmetic as below. out may be a term.
__global__ void __launch_bounds__(kThreads) combine_floats(Sum sum, float* out, std::int64_t quadruples) {
  for (std::int64_t i = stride_start(); i < quadruples; i += stride_step()) {
    float4 terms[kMaxTerms];
#pragma unroll
    for (int t = 0; t < kMaxTerms; ++t) {
      if (t < sum.count) terms[t] = static_cast<const float4*>(sum.terms[t].data)[i];
    }
    const auto of = [&](auto part) {
      float y = __fmul_rn(sum.coefficients[0], part(terms[0]));
#pragma unroll
      for (int t = 1; t < kMaxTerms; ++t) {
        if (t < sum.count) y = __fadd_rn(y, __fmul_rn(sum.coefficients[t], part(terms[t])));
      }
      return y;
    };
    reinterpret_cast<float4*>(out)[i] = make_float4(of([](const float4& v) { return v.x; }), of([](const float4& v) { return v.y; }),
                                                    of([](const float4& v) { return v.z; }), of([](const float4& v) { return v.w; }));
  }
}

/// Multiplies and adds apart, as the CPU does.
__global__ void combine_any(Sum sum, Rows out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    float y = __fmul_rn(sum.coefficients[0], load_any(sum.terms[0].data, i, sum.terms[0].type));
#pragma unroll
    for (int t = 1; t < kMaxTerms; ++t) {
      if (t < sum.count) y = __fadd_rn(y, __fmul_rn(sum.coefficients[t], load_any(sum.terms[t].data, i, sum.terms[t].type)));
    }
    store_any(out.data, i, out.type, y);
  }
}

__global__ void clamp_any(Rows x, float low, float high, Rows out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const float v = load_any(x.data, i, x.type);
    store_any(out.data, i, out.type, v < low ? low : v > high ? high : v);  // NaN is neither
  }
}

/// Strides in units of 16 bytes.
__global__ void __launch_bounds__(kThreads) concat_units(const uint4* a, std::int64_t a_stride, int a_units, const uint4* b, std::int64_t b_stride,
                                                         uint4* out, std::int64_t out_stride, RowWalk walk) {
  constexpr int kTurns = 4;
  const int column = walk.column();
  if (column >= walk.vectors) return;
  const uint4* const from = column < a_units ? a + column : b + (column - a_units);
  const std::int64_t stride = column < a_units ? a_stride : b_stride, end = walk.end_row();
  out += column;
  for (std::int64_t row = walk.first_row(); row < end; row += kTurns * walk.lanes) {
    uint4 units[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (row + k * walk.lanes < end) units[k] = from[(row + k * walk.lanes) * stride];
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      if (row + k * walk.lanes < end) out[(row + k * walk.lanes) * out_stride] = units[k];
    }
  }
}

__global__ void concat_any(Rows a, std::int64_t a_columns, Rows b, Rows out, std::int64_t columns, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t row = i / columns, column = i % columns;
    out.set(row, column, column < a_columns ? a.get(row, column) : b.get(row, column - a_columns));
  }
}

__global__ void embed_any(const std::int32_t* ids, Rows table, Rows out, std::int64_t columns, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t row = i / columns, column = i % columns;
    out.set(row, column, table.get(ids[row], column));
  }
}

/// Per image, [a, b] to [b, a]; writes side by side.
__global__ void transpose_any(Rows x, std::int64_t a, std::int64_t b, Rows out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t in_row = i % a, rest = i / a, in_column = rest % b, image = rest / b;
    store_any(out.data, i, out.type, load_any(x.data, (image * a + in_row) * b + in_column, x.type));
  }
}

/// The same arithmetic as the CPU's. A picture is too small for more than this.
__global__ void __launch_bounds__(kThreads) pixels_to_bytes(Rows x, std::uint8_t* out, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const float raised = __fadd_rn(load_any(x.data, i, x.type) * 0.5f, 0.5f);
    const float kept = raised > 0 ? fminf(raised, 1.0f) : 0.0f;  // NaN is not above 0
    out[i] = static_cast<std::uint8_t>(__float2int_rn(__fmul_rn(kept, 255.0f)));
  }
}

/// Whether the elements are whole packets, wherever rows end.
bool flat_packets(const TensorView& t) { return reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0 && t.contiguous() && t.count() % 8 == 0; }
bool flat_quadruples(const TensorView& t) { return reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0 && t.contiguous() && t.count() % 4 == 0; }

/// Whether columns can be copied by units of 16 bytes.
bool whole_units(const TensorView& t) {
  const auto size = static_cast<std::int64_t>(size_of(t.dtype));
  return reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0 && t.shape.back() * size % 16 == 0 && t.row_stride * size % 16 == 0;
}

}  // namespace
}  // namespace cuda

void CudaBackend::activate(const TensorView& x, Activation activation, const TensorView& out) {
  if (x.count() == 0) return;
  cuda::activate_any<<<cuda::stride_blocks(x.count()), cuda::kThreads, 0, stream()>>>(cuda::rows_of(x), activation, cuda::rows_of(out), x.count());
  require_launched("activate");
}

void CudaBackend::add(const TensorView& a, const TensorView& b, const TensorView& out) {
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  if (a.dtype == out.dtype && b.dtype == out.dtype && cuda::flat_packets(a) && cuda::flat_packets(b) && cuda::flat_packets(out)) {
    const std::int64_t packets = out.count() / 8;
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((packets + cuda::kThreads - 1) / cuda::kThreads, 8 * multiprocessors_));
    cuda::with_type(out.dtype,
                    [&]<typename T>() { cuda::add_packets<T><<<blocks, cuda::kThreads, 0, queue>>>(a.as<T>(), b.as<T>(), out.as<T>(), packets); });
  } else {
    cuda::add_any<<<cuda::stride_blocks(out.count()), cuda::kThreads, 0, queue>>>(cuda::rows_of(a), cuda::rows_of(b), cuda::rows_of(out),
                                                                                  out.count());
  }
  require_launched("add");
}

void CudaBackend::combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) {
  if (terms.empty() || terms.size() > cuda::kMaxTerms) fail(ErrorKind::internal, "CUDA: a sum of ", terms.size(), " terms");
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  if (terms.size() == 1 && coefficients[0] == 1 && terms[0].dtype == out.dtype && terms[0].contiguous() && out.contiguous()) {
    if (terms[0].data == out.data) return;
    if (cuda::flat_packets(terms[0]) && cuda::flat_packets(out)) {
      const auto units = static_cast<std::int64_t>(out.bytes() / sizeof(uint4));
      const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((units + cuda::kThreads - 1) / cuda::kThreads, 8 * multiprocessors_));
      cuda::copy_units<<<blocks, cuda::kThreads, 0, queue>>>(terms[0].as<uint4>(), out.as<uint4>(), units);
      require_launched("copy_units");
    } else {
      require_cuda(cudaMemcpyAsync(out.data, terms[0].data, out.bytes(), cudaMemcpyDeviceToDevice, queue), "copying a tensor");
    }
    return;
  }
  cuda::Sum sum{};
  sum.count = static_cast<int>(terms.size());
  for (std::size_t t = 0; t < terms.size(); ++t) {
    sum.coefficients[t] = coefficients[t];
    sum.terms[t] = cuda::rows_of(terms[t]);
  }
  const auto quadruples = [](const TensorView& t) { return t.dtype == DType::float32 && cuda::flat_quadruples(t); };
  if (quadruples(out) && std::all_of(terms.begin(), terms.end(), quadruples)) {
    cuda::combine_floats<<<cuda::stride_blocks(out.count() / 4), cuda::kThreads, 0, queue>>>(sum, out.as<float>(), out.count() / 4);
    require_launched("combine_floats");
    return;
  }
  cuda::combine_any<<<cuda::stride_blocks(out.count()), cuda::kThreads, 0, queue>>>(sum, cuda::rows_of(out), out.count());
  require_launched("combine");
}

void CudaBackend::clamp(const TensorView& x, float low, float high, const TensorView& out) {
  if (x.count() == 0) return;
  cuda::clamp_any<<<cuda::stride_blocks(x.count()), cuda::kThreads, 0, stream()>>>(cuda::rows_of(x), low, high, cuda::rows_of(out), x.count());
  require_launched("clamp");
}

void CudaBackend::concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) {
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  if (a.dtype == out.dtype && b.dtype == out.dtype && cuda::whole_units(a) && cuda::whole_units(b) && cuda::whole_units(out)) {
    const std::int64_t each = 16 / static_cast<std::int64_t>(size_of(out.dtype));
    const cuda::RowWalk walk = cuda::walk_rows(1, out.rows(), out.shape.back() / each * 8, cuda::full_house(*this));
    cuda::concat_units<<<walk.grid(), walk.threads(), 0, queue>>>(a.as<uint4>(), a.row_stride / each, static_cast<int>(a.shape.back() / each),
                                                                  b.as<uint4>(), b.row_stride / each, out.as<uint4>(), out.row_stride / each, walk);
  } else {
    cuda::concat_any<<<cuda::stride_blocks(out.count()), cuda::kThreads, 0, queue>>>(cuda::rows_of(a), a.shape.back(), cuda::rows_of(b),
                                                                                     cuda::rows_of(out), out.shape.back(), out.count());
  }
  require_launched("concat_columns");
}

void CudaBackend::embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) {
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  const Scratch places(*this, ids.size_bytes());
  // pageable memory is staged before this returns, so the caller's may go then
  require_cuda(cudaMemcpyAsync(places.data(), ids.data(), ids.size_bytes(), cudaMemcpyHostToDevice, queue), "uploading tokens");
  cuda::embed_any<<<cuda::stride_blocks(out.count()), cuda::kThreads, 0, queue>>>(places.as<std::int32_t>(), cuda::rows_of(table), cuda::rows_of(out),
                                                                                  out.shape.back(), out.count());
  require_launched("embed");
}

void CudaBackend::nchw_to_nhwc(const TensorView& x, const TensorView& out) {
  if (x.count() == 0) return;
  cuda::transpose_any<<<cuda::stride_blocks(x.count()), cuda::kThreads, 0, stream()>>>(cuda::rows_of(x), x.shape[1], x.shape[2] * x.shape[3],
                                                                                       cuda::rows_of(out), x.count());
  require_launched("nchw_to_nhwc");
}

void CudaBackend::nhwc_to_nchw(const TensorView& x, const TensorView& out) {
  if (x.count() == 0) return;
  cuda::transpose_any<<<cuda::stride_blocks(x.count()), cuda::kThreads, 0, stream()>>>(cuda::rows_of(x), x.shape[1] * x.shape[2], x.shape[3],
                                                                                       cuda::rows_of(out), x.count());
  require_launched("nhwc_to_nchw");
}

void CudaBackend::to_bytes(const TensorView& x, const TensorView& out) {
  if (x.count() == 0) return;
  cuda::pixels_to_bytes<<<cuda::stride_blocks(x.count()), cuda::kThreads, 0, stream()>>>(cuda::rows_of(x), out.as<std::uint8_t>(), x.count());
  require_launched("to_bytes");
}

void CudaBackend::widen(const TensorView& x, const TensorView& out) {
  if (x.count() == 0) return;
  const cudaStream_t queue = stream();
  const auto count = static_cast<std::size_t>(x.count());
  std::vector<float> wide;
  const void* from = x.data;
  if (x.dtype != DType::float32) {
    wide.resize(count);
    const auto* stored = x.as<const std::uint16_t>();
    const bool half = x.dtype == DType::float16;
    if (!half && x.dtype != DType::bfloat16) fail(ErrorKind::internal, "CUDA: widening of ", to_string(x.dtype));
    for (std::size_t i = 0; i < count; ++i) wide[i] = half ? float16_to_float32(stored[i]) : bfloat16_to_float32(stored[i]);
    from = wide.data();
  }
  require_cuda(cudaMemcpyAsync(out.data, from, count * sizeof(float), cudaMemcpyHostToDevice, queue), "uploading weights");
  if (!wide.empty()) require_cuda(cudaStreamSynchronize(queue), "uploading weights");  // at load only
}

}  // namespace impasto
