// A backend that passes every call on to another and adds up what the calls take.
#pragma once

#include <array>
#include <memory>

#include "backend/backend.h"

namespace impasto {

enum class OpFamily { linear, convolution, attention, norm, other };
inline constexpr std::array<std::string_view, 5> kOpFamilyNames = {"linear", "convolution", "attention", "norm", "other"};

struct OpCost {
  double seconds = 0;
  double gflop = 0;  ///< a multiply-add counts as two, a convolution by the direct formula; norms and others count as none
};
using OpCosts = std::array<OpCost, kOpFamilyNames.size()>;

/// For one thread of callers.
class ProfilingBackend : public Backend {
 public:
  explicit ProfilingBackend(Backend& inner) : inner_(inner) {}

  /// What was added up since the last call, with_wide_range()'s calls among it.
  OpCosts take();
  /// False: calls are passed on, recordings, too, and nothing is added up. While it counts, an operation that a device queues is waited for.
  void count(bool counting);

  std::string_view name() const override { return inner_.name(); }
  DeviceDescription describe() const override { return inner_.describe(); }
  DType feature_type() const override { return inner_.feature_type(); }
  DType factor_type() const override { return inner_.factor_type(); }
  Backend& with_wide_range() override;
  bool shares_host_memory() const override { return inner_.shares_host_memory(); }
  bool loads_through_prologues() const override { return inner_.loads_through_prologues(); }
  bool joins_products() const override { return inner_.joins_products(); }
  void wait() override;
  bool records() const override { return !counting_ && inner_.records(); }
  std::unique_ptr<Recording> record(const std::function<void()>& calls) override { return counting_ ? nullptr : inner_.record(calls); }
  double measure_peak_gflops(DType factors) override { return inner_.measure_peak_gflops(factors); }

  void* allocate(std::size_t bytes) override { return inner_.allocate(bytes); }
  void deallocate(void* block, std::size_t bytes) noexcept override { inner_.deallocate(block, bytes); }
  void release_cached_memory() override { inner_.release_cached_memory(); }
  void recycle_cached_memory() override;
  void empty_cache() override { inner_.empty_cache(); }
  std::int64_t available_memory() const override { return inner_.available_memory(); }
  void upload(const void* host, void* device, std::size_t bytes) override { inner_.upload(host, device, bytes); }
  void download(const void* device, void* host, std::size_t bytes) override { inner_.download(device, host, bytes); }

  std::unique_ptr<PackedWeights> pack_linear(const TensorView& weight, const TensorView& bias, bool gated) override;
  void linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) override;
  std::unique_ptr<PackedWeights> pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) override;
  void conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue, const TensorView& out) override;
  void attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal, const TensorView& out) override;
  void group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, const TensorView& scale,
                         const TensorView& shift) override;
  void apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) override;
  void group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                  const TensorView& out) override;
  void layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) override;
  void activate(const TensorView& x, Activation activation, const TensorView& out) override;
  void add(const TensorView& a, const TensorView& b, const TensorView& out) override;
  void combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) override;
  void clamp(const TensorView& x, float low, float high, const TensorView& out) override;
  void concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) override;
  void embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) override;
  void nchw_to_nhwc(const TensorView& x, const TensorView& out) override;
  void nhwc_to_nchw(const TensorView& x, const TensorView& out) override;
  void match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets, std::span<std::int32_t> matches,
                  std::span<float> cosines) override;
  void mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) override;
  void spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) override;
  void to_bytes(const TensorView& x, const TensorView& out) override;
  void widen(const TensorView& x, const TensorView& out) override;
  bool is_finite(const TensorView& x) override;
  std::vector<float> standard_deviation(const TensorView& x) override;

 private:
  template <typename F>
  auto timed(OpFamily family, double gflop, const F& f);

  Backend& inner_;
  bool counting_ = true;
  OpCosts costs_ = {};
  std::unique_ptr<ProfilingBackend> wide_;
};

}  // namespace impasto
