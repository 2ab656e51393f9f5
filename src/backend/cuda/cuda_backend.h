// An NVIDIA GPU: one file per family of operations, as the CPU's.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "backend/backend.h"

namespace impasto {

class CudaArena;
class CudaLibraries;

/// Networks compute in 16 bits: products, convolutions, attention and norms yield feature_type() and sum in float32. What the loop around them
/// computes (combine, add, clamp of float32 tensors) stays float32, bit for bit the CPU's. Work is queued on one stream; whatever returns values to
/// the host waits for it. A result does not depend on threads, but an image of a batch may differ from the same image alone by roundings: the
/// libraries choose a kernel by shape.
class CudaBackend final : public Backend {
 public:
  /// Device `index`; `features`: float16 or bfloat16. Throws unsupported where there is no such device.
  CudaBackend(int index, DType features);
  ~CudaBackend() override;

  std::string_view name() const override { return "cuda"; }
  DType feature_type() const override { return features_; }
  Backend& with_wide_range() override;
  bool shares_host_memory() const override { return false; }
  bool records() const override { return true; }
  bool loads_through_prologues() const override { return false; }
  bool joins_products() const override { return true; }

  // device.cc
  void wait() override;
  DeviceDescription describe() const override;
  double measure_peak_gflops(DType factors) override;

  // memory.cc
  void* allocate(std::size_t bytes) override;
  void deallocate(void* block, std::size_t bytes) noexcept override;
  void release_cached_memory() override;
  void recycle_cached_memory() override;
  void empty_cache() override;
  std::int64_t available_memory() const override;
  void upload(const void* host, void* device, std::size_t bytes) override;
  void download(const void* device, void* host, std::size_t bytes) override;

  // graph.cc
  std::unique_ptr<Recording> record(const std::function<void()>& calls) override;

  // linear.cc
  std::unique_ptr<PackedWeights> pack_linear(const TensorView& weight, const TensorView& bias, bool gated) override;
  void linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) override;

  // conv.cc
  std::unique_ptr<PackedWeights> pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) override;
  void conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue, const TensorView& out) override;

  // attention.cc
  void attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal, const TensorView& out) override;

  // group_norm.cu
  void group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, const TensorView& scale,
                         const TensorView& shift) override;
  void group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                  const TensorView& out) override;

  // norm.cu
  void apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) override;
  void layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) override;

  // elementwise.cu
  void activate(const TensorView& x, Activation activation, const TensorView& out) override;
  void add(const TensorView& a, const TensorView& b, const TensorView& out) override;
  void combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) override;
  void clamp(const TensorView& x, float low, float high, const TensorView& out) override;
  void concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) override;
  void embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) override;
  void nchw_to_nhwc(const TensorView& x, const TensorView& out) override;
  void nhwc_to_nchw(const TensorView& x, const TensorView& out) override;
  void to_bytes(const TensorView& x, const TensorView& out) override;
  void widen(const TensorView& x, const TensorView& out) override;

  // questions.cu
  bool is_finite(const TensorView& x) override;
  std::vector<float> standard_deviation(const TensorView& x) override;

  // rows.cu
  void match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets, std::span<std::int32_t> matches,
                  std::span<float> cosines) override;
  void mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) override;
  void spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) override;

  // --- for the files of this room
  /// Where this thread's work is queued; makes the device this thread's current one.
  cudaStream_t stream() const;
  int multiprocessors() const { return multiprocessors_; }
  int index() const { return index_; }
  CudaLibraries& libraries() { return *libraries_; }

 private:
  int index_;
  DType features_;
  int multiprocessors_ = 0;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<CudaArena> arena_;
  std::mutex recorded_mutex_;
  std::unordered_multiset<void*> recorded_;   // blocks of recordings that are in somebody's hands
  std::unique_ptr<CudaLibraries> libraries_;  // handles and plans of cuBLASLt and cuDNN
};

/// Device memory for the length of a call.
class Scratch {
 public:
  Scratch(CudaBackend& backend, std::size_t bytes) : backend_(backend), bytes_(bytes), data_(bytes == 0 ? nullptr : backend.allocate(bytes)) {}
  ~Scratch() {
    if (data_ != nullptr) backend_.deallocate(data_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  CudaBackend& backend_;
  std::size_t bytes_;
  void* data_;
};

}  // namespace impasto
