#include "backend/profiling_backend.h"

#include <chrono>
#include <type_traits>
#include <utility>

namespace impasto {
namespace {

using Clock = std::chrono::steady_clock;

/// The inner backend's weights, and the multiply-adds that a row of output takes.
struct CountedWeights final : PackedWeights {
  std::unique_ptr<PackedWeights> inner;
  double gflop_per_row = 0;
  std::size_t bytes() const override { return inner->bytes(); }
};

std::unique_ptr<PackedWeights> counted(std::unique_ptr<PackedWeights> inner, const TensorView& weight) {
  auto weights = std::make_unique<CountedWeights>();
  weights->inner = std::move(inner);
  weights->gflop_per_row = 2e-9 * static_cast<double>(weight.count());
  return weights;
}

double gflop_of(const CountedWeights& weights, const TensorView& out) { return weights.gflop_per_row * static_cast<double>(out.rows()); }

}  // namespace

OpCosts ProfilingBackend::take() {
  OpCosts costs = std::exchange(costs_, {});
  if (!wide_) return costs;
  const OpCosts more = wide_->take();
  for (std::size_t f = 0; f < costs.size(); ++f) costs[f].seconds += more[f].seconds, costs[f].gflop += more[f].gflop;
  return costs;
}

void ProfilingBackend::count(bool counting) {
  counting_ = counting;
  if (wide_) wide_->count(counting);
}

void ProfilingBackend::wait() {
  inner_.wait();
  if (wide_) wide_->wait();
}

void ProfilingBackend::recycle_cached_memory() {
  inner_.recycle_cached_memory();
  if (wide_) wide_->recycle_cached_memory();
}

Backend& ProfilingBackend::with_wide_range() {
  Backend& wide = inner_.with_wide_range();
  if (&wide == &inner_) return *this;
  if (!wide_) wide_ = std::make_unique<ProfilingBackend>(wide);
  wide_->count(counting_);
  return *wide_;
}

template <typename F>
auto ProfilingBackend::timed(OpFamily family, double gflop, const F& f) {
  if (!counting_) return f();
  inner_.wait();  // for what was queued before
  OpCost& cost = costs_[static_cast<std::size_t>(family)];
  const Clock::time_point start = Clock::now();
  const auto finish = [&] {
    inner_.wait();
    cost.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    cost.gflop += gflop;
  };
  if constexpr (std::is_void_v<decltype(f())>) {
    f();
    finish();
  } else {
    auto result = f();
    finish();
    return result;
  }
}

std::unique_ptr<PackedWeights> ProfilingBackend::pack_linear(const TensorView& weight, const TensorView& bias, bool gated) {
  return counted(inner_.pack_linear(weight, bias, gated), weight);
}

void ProfilingBackend::linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) {
  const auto& w = static_cast<const CountedWeights&>(weights);
  timed(OpFamily::linear, gflop_of(w, out), [&] { inner_.linear(x, *w.inner, epilogue, out); });
}

std::unique_ptr<PackedWeights> ProfilingBackend::pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) {
  return counted(inner_.pack_conv2d(weight, bias, geometry), weight);
}

void ProfilingBackend::conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue,
                              const TensorView& out) {
  const auto& w = static_cast<const CountedWeights&>(weights);
  timed(OpFamily::convolution, gflop_of(w, out), [&] { inner_.conv2d(x, *w.inner, prologue, epilogue, out); });
}

void ProfilingBackend::attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal,
                                 const TensorView& out) {
  const double gflop = 4e-9 * static_cast<double>(q.count() * k.shape[1]) * (causal ? 0.5 : 1.0);
  timed(OpFamily::attention, gflop, [&] { inner_.attention(q, k, v, heads, scale, causal, out); });
}

void ProfilingBackend::group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps,
                                         const TensorView& scale, const TensorView& shift) {
  timed(OpFamily::norm, 0, [&] { inner_.group_norm_affine(x, gamma, beta, groups, eps, scale, shift); });
}

void ProfilingBackend::apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation,
                                    const TensorView& out) {
  timed(OpFamily::norm, 0, [&] { inner_.apply_affine(x, scale, shift, activation, out); });
}

void ProfilingBackend::group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                                  const TensorView& out) {
  timed(OpFamily::norm, 0, [&] { inner_.group_norm(x, gamma, beta, groups, eps, activation, out); });
}

void ProfilingBackend::layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) {
  timed(OpFamily::norm, 0, [&] { inner_.layer_norm(x, gamma, beta, eps, out); });
}

void ProfilingBackend::activate(const TensorView& x, Activation activation, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.activate(x, activation, out); });
}

void ProfilingBackend::add(const TensorView& a, const TensorView& b, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.add(a, b, out); });
}

void ProfilingBackend::combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.combine(coefficients, terms, out); });
}

void ProfilingBackend::clamp(const TensorView& x, float low, float high, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.clamp(x, low, high, out); });
}

void ProfilingBackend::concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.concat_columns(a, b, out); });
}

void ProfilingBackend::embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.embed(ids, table, out); });
}

void ProfilingBackend::nchw_to_nhwc(const TensorView& x, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.nchw_to_nhwc(x, out); });
}

void ProfilingBackend::nhwc_to_nchw(const TensorView& x, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.nhwc_to_nchw(x, out); });
}

void ProfilingBackend::match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets,
                                  std::span<std::int32_t> matches, std::span<float> cosines) {
  timed(OpFamily::other, 0, [&] { inner_.match_rows(x, sources, targets, matches, cosines); });
}

void ProfilingBackend::mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.mean_rows(x, slots, out); });
}

void ProfilingBackend::spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.spread_rows(x, slots, residual, out); });
}

void ProfilingBackend::to_bytes(const TensorView& x, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.to_bytes(x, out); });
}

void ProfilingBackend::widen(const TensorView& x, const TensorView& out) {
  timed(OpFamily::other, 0, [&] { inner_.widen(x, out); });
}

bool ProfilingBackend::is_finite(const TensorView& x) {
  return timed(OpFamily::other, 0, [&] { return inner_.is_finite(x); });
}

std::vector<float> ProfilingBackend::standard_deviation(const TensorView& x) {
  return timed(OpFamily::other, 0, [&] { return inner_.standard_deviation(x); });
}

}  // namespace impasto
