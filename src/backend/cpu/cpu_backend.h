// The CPU: one file per family of operations, each the fast path of what reference_backend.cc says in plain loops.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/block_pool.h"

namespace impasto {

struct ConvWeights;

class CpuBackend final : public Backend {
 public:
  /// `arithmetic`: float32; bfloat16 for the factors of products and attention, and of convolutions where there are tiles (sums, tensors in memory
  /// and Winograd's convolutions stay float32: its transforms lose too much in 8 bits, and it is the faster one); or float16 for all factors and
  /// short sums where the processor has instructions for it (avx512_fp16), float32 where it has none. Tensors in memory are float32 always.
  explicit CpuBackend(DType arithmetic = DType::float32) : arithmetic_(arithmetic) {}
  std::string_view name() const override { return "cpu"; }
  DType factor_type() const override;
  Backend& with_wide_range() override;

  // peak.cc
  DeviceDescription describe() const override;
  double measure_peak_gflops(DType factors) override;

  // memory.cc
  void* allocate(std::size_t bytes) override;
  void deallocate(void* block, std::size_t bytes) noexcept override;
  void release_cached_memory() override;
  void recycle_cached_memory() override { pool_.recycle(); }
  void upload(const void* host, void* device, std::size_t bytes) override;
  void download(const void* device, void* host, std::size_t bytes) override;

  // matmul.cc
  std::unique_ptr<PackedWeights> pack_linear(const TensorView& weight, const TensorView& bias, bool gated) override;
  void linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) override;

  // conv.cc
  std::unique_ptr<PackedWeights> pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) override;
  void conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue, const TensorView& out) override;

  // attention.cc
  void attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal, const TensorView& out) override;

  // norm.cc
  void group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, const TensorView& scale,
                         const TensorView& shift) override;
  void apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) override;
  void layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) override;

  // elementwise.cc
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
  bool is_finite(const TensorView& x) override;
  std::vector<float> standard_deviation(const TensorView& x) override;

  // rows.cc
  void match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets, std::span<std::int32_t> matches,
                  std::span<float> cosines) override;
  void mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) override;
  void spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) override;

  const BlockPool& pool() const { return pool_; }

 private:
  void conv_by_tiles(const TensorView& x, const ConvWeights& weights, const Prologue& prologue, const Epilogue& epilogue, const TensorView& out);

  // upsample_conv.cc
  /// The weights [out, in, 3, 3] of an enlarging convolution for each of its phases: ConvWeights::phases.
  std::vector<std::uint16_t> phase_weights(const TensorView& weight);
  void conv_by_phases(const TensorView& x, const ConvWeights& weights, const Epilogue& epilogue, const TensorView& out);

  DType arithmetic_;
  BlockPool pool_;
};

}  // namespace impasto
