#include "backend/cpu/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/fail.h"

namespace impasto {
namespace {

// Sums run in double and are rounded once, so the result is as good as float32 storage allows.

float read(const TensorView& t, std::int64_t i) {
  switch (t.dtype) {
    case DType::float32: return t.as<float>()[i];
    case DType::float16: return float16_to_float32(t.as<std::uint16_t>()[i]);
    case DType::bfloat16: return bfloat16_to_float32(t.as<std::uint16_t>()[i]);
    default: fail(ErrorKind::internal, "reference backend reads floats only, not ", to_string(t.dtype));
  }
}

std::vector<float> read_all(const TensorView& t) {
  std::vector<float> values(static_cast<std::size_t>(t ? t.count() : 0));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = read(t, static_cast<std::int64_t>(i));
  return values;
}

double dot(const float* a, const float* b, std::int64_t n) { return std::inner_product(a, a + n, b, 0.0); }

double gelu(double x) { return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5))); }

double activated(double x, Activation a) {
  switch (a) {
    case Activation::none: return x;
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::gelu: return gelu(x);
    case Activation::quick_gelu: return x / (1 + std::exp(-1.702 * x));
  }
  return x;
}

struct Packed final : PackedWeights {
  std::vector<float> weight, bias;
  Shape shape;
  bool gated = false;
  ConvGeometry geometry;
  std::size_t bytes() const override { return (weight.size() + bias.size()) * sizeof(float); }
  double bias_of(std::int64_t o) const { return bias.empty() ? 0.0 : bias[static_cast<std::size_t>(o)]; }
};

/// Stores sums[column] to row r of out through the epilogue.
void store_row(const std::vector<double>& sums, const Packed& w, const Epilogue& e, std::int64_t r, const TensorView& out) {
  const std::int64_t columns = out.shape.back(), image = r / (out.rows() / out.shape[0]);
  for (std::int64_t c = 0; c < columns; ++c) {
    double y = sums[c] + w.bias_of(c);
    if (e.row_bias) y += e.row_bias.row(image)[c];
    y = w.gated ? y * gelu(sums[c + columns] + w.bias_of(c + columns)) : activated(y, e.activation);
    if (e.residual) y += e.residual.row(r)[c];
    out.row(r)[c] = static_cast<float>(y);
  }
}

class ReferenceBackend final : public Backend {
 public:
  std::string_view name() const override { return "reference"; }
  DeviceDescription describe() const override { return {"", "plain loops"}; }
  double measure_peak_gflops(DType) override { return 0; }

  void* allocate(std::size_t bytes) override {
    void* block = std::aligned_alloc(64, (std::max<std::size_t>(bytes, 1) + 63) / 64 * 64);
    if (block == nullptr) fail(ErrorKind::out_of_memory, "cannot allocate ", bytes, " bytes");
    return block;
  }
  void deallocate(void* block, std::size_t) noexcept override { std::free(block); }
  void release_cached_memory() override {}
  void upload(const void* host, void* device, std::size_t bytes) override { std::memcpy(device, host, bytes); }
  void download(const void* device, void* host, std::size_t bytes) override { std::memcpy(host, device, bytes); }

  std::unique_ptr<PackedWeights> pack_linear(const TensorView& weight, const TensorView& bias, bool gated) override {
    return pack(weight, bias, gated, {});
  }

  void linear(const TensorView& x, const PackedWeights& weights, const Epilogue& e, const TensorView& out) override {
    const auto& w = static_cast<const Packed&>(weights);
    const std::int64_t n = w.shape[0], k = w.shape[1];
    std::vector<double> sums(static_cast<std::size_t>(n));
    for (std::int64_t r = 0; r < x.rows(); ++r) {
      for (std::int64_t o = 0; o < n; ++o) {
        sums[o] = 0;
        for (std::int64_t i = 0; i < k; ++i) sums[o] += static_cast<double>(x.row(r)[i]) * w.weight[o * k + i];
      }
      store_row(sums, w, e, r, out);
    }
  }

  std::unique_ptr<PackedWeights> pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) override {
    return pack(weight, bias, /*gated=*/false, geometry);
  }

  void conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& p, const Epilogue& e, const TensorView& out) override {
    const auto& w = static_cast<const Packed&>(weights);
    std::vector<double> sums(static_cast<std::size_t>(w.shape[0]));
    std::int64_t row = 0;
    for (std::int64_t n = 0; n < out.shape[0]; ++n)
      for (std::int64_t y = 0; y < out.shape[1]; ++y)
        for (std::int64_t xx = 0; xx < out.shape[2]; ++xx, ++row) {
          for (std::int64_t o = 0; o < w.shape[0]; ++o) sums[o] = tap_sum(x, w, p, out, n, y, xx, o);
          store_row(sums, w, e, row, out);
        }
  }

  void attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal, const TensorView& out) override {
    const std::int64_t tq = q.shape[1], tk = k.shape[1], d = q.shape[2] / heads;
    std::vector<double> p(static_cast<std::size_t>(tk));
    for (std::int64_t row = 0; row < q.rows(); ++row)
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t first = row / tq * tk, visible = causal ? row % tq + 1 : tk;
        double peak = -std::numeric_limits<double>::infinity(), sum = 0;
        for (std::int64_t j = 0; j < visible; ++j) {
          p[j] = 0;
          for (std::int64_t i = h * d; i < (h + 1) * d; ++i) p[j] += static_cast<double>(q.row(row)[i]) * k.row(first + j)[i];
          peak = std::max(peak, p[j] *= scale);
        }
        for (std::int64_t j = 0; j < visible; ++j) sum += p[j] = std::exp(p[j] - peak);
        for (std::int64_t i = h * d; i < (h + 1) * d; ++i) {
          double y = 0;
          for (std::int64_t j = 0; j < visible; ++j) y += p[j] * v.row(first + j)[i];
          out.row(row)[i] = static_cast<float>(y / sum);
        }
      }
  }

  void group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, const TensorView& scale,
                         const TensorView& shift) override {
    const std::int64_t c = x.shape.back(), rows = x.rows() / x.shape[0], width = c / groups;
    for (std::int64_t n = 0; n < x.shape[0]; ++n)
      for (std::int64_t g = 0; g < groups; ++g) {
        double mean = 0, variance = 0;
        each(x, n * rows, rows, g * width, width, [&](double v) { mean += v; });
        mean /= static_cast<double>(rows * width);
        each(x, n * rows, rows, g * width, width, [&](double v) { variance += (v - mean) * (v - mean); });
        const double inverse = 1 / std::sqrt(variance / static_cast<double>(rows * width) + eps);
        for (std::int64_t i = g * width; i < (g + 1) * width; ++i) {
          scale.row(n)[i] = static_cast<float>(gamma.as<float>()[i] * inverse);
          shift.row(n)[i] = static_cast<float>(beta.as<float>()[i] - mean * inverse * gamma.as<float>()[i]);
        }
      }
  }

  void apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation a, const TensorView& out) override {
    const std::int64_t rows = x.rows() / x.shape[0];
    for (std::int64_t r = 0; r < x.rows(); ++r)
      for (std::int64_t i = 0; i < x.shape.back(); ++i)
        out.row(r)[i] = static_cast<float>(activated(static_cast<double>(x.row(r)[i]) * scale.row(r / rows)[i] + shift.row(r / rows)[i], a));
  }

  void layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) override {
    const std::int64_t c = x.shape.back();
    for (std::int64_t r = 0; r < x.rows(); ++r) {
      double mean = 0, variance = 0;
      each(x, r, 1, 0, c, [&](double v) { mean += v; });
      mean /= static_cast<double>(c);
      each(x, r, 1, 0, c, [&](double v) { variance += (v - mean) * (v - mean); });
      const double inverse = 1 / std::sqrt(variance / static_cast<double>(c) + eps);
      for (std::int64_t i = 0; i < c; ++i)
        out.row(r)[i] = static_cast<float>((x.row(r)[i] - mean) * inverse * gamma.as<float>()[i] + beta.as<float>()[i]);
    }
  }

  void activate(const TensorView& x, Activation a, const TensorView& out) override {
    for (std::int64_t i = 0; i < x.count(); ++i) out.as<float>()[i] = static_cast<float>(activated(x.as<float>()[i], a));
  }
  void add(const TensorView& a, const TensorView& b, const TensorView& out) override {
    for (std::int64_t i = 0; i < a.count(); ++i) out.as<float>()[i] = a.as<float>()[i] + b.as<float>()[i];
  }
  void combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) override {
    for (std::int64_t i = 0; i < out.count(); ++i) {
      float sum = coefficients[0] * terms[0].as<float>()[i];
      for (std::size_t t = 1; t < terms.size(); ++t) sum += coefficients[t] * terms[t].as<float>()[i];
      out.as<float>()[i] = sum;
    }
  }
  void clamp(const TensorView& x, float low, float high, const TensorView& out) override {
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const float v = x.as<float>()[i];
      out.as<float>()[i] = v < low ? low : v > high ? high : v;
    }
  }
  void concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) override {
    for (std::int64_t r = 0; r < out.rows(); ++r) std::copy_n(b.row(r), b.shape.back(), std::copy_n(a.row(r), a.shape.back(), out.row(r)));
  }
  void embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) override {
    const std::int64_t c = table.shape[1];
    for (std::size_t t = 0; t < ids.size(); ++t)
      for (std::int64_t i = 0; i < c; ++i) out.row(static_cast<std::int64_t>(t))[i] = read(table, ids[t] * c + i);
  }
  void nchw_to_nhwc(const TensorView& x, const TensorView& out) override { transpose(x, x.shape[1], x.shape[2] * x.shape[3], out); }
  void nhwc_to_nchw(const TensorView& x, const TensorView& out) override { transpose(x, x.shape[1] * x.shape[2], x.shape[3], out); }
  void to_bytes(const TensorView& x, const TensorView& out) override {
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const float v = x.as<float>()[i] / 2 + 0.5f;
      out.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::nearbyint((v > 1 ? 1.0f : v > 0 ? v : 0.0f) * 255));
    }
  }
  void widen(const TensorView& x, const TensorView& out) override {
    for (std::int64_t i = 0; i < x.count(); ++i) out.as<float>()[i] = read(x, i);
  }

  void match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets, std::span<std::int32_t> matches,
                  std::span<float> cosines) override {
    const std::int64_t c = x.shape[2];
    std::size_t at = 0;
    for (std::int64_t n = 0; n < x.shape[0]; ++n) {
      const auto product = [&](std::int64_t a, std::int64_t b) { return dot(x.row(n * x.shape[1] + a), x.row(n * x.shape[1] + b), c); };
      for (const std::int32_t source : sources) {
        double best = -2;
        for (std::size_t t = 0; t < targets.size(); ++t) {
          const double lengths = std::sqrt(product(source, source) * product(targets[t], targets[t]));
          const double cosine = lengths > 0 ? product(source, targets[t]) / lengths : 0;
          if (cosine > best) best = cosine, matches[at] = static_cast<std::int32_t>(t);
        }
        cosines[at++] = static_cast<float>(best);
      }
    }
  }
  void mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) override {
    for (std::int64_t n = 0; n < x.shape[0]; ++n)
      for (std::int64_t m = 0; m < out.shape[1]; ++m)
        for (std::int64_t i = 0; i < x.shape[2]; ++i) {
          double sum = 0;
          int count = 0;
          for (std::int64_t t = n * x.shape[1]; t < (n + 1) * x.shape[1]; ++t)
            if (slots[static_cast<std::size_t>(t)] == m) sum += x.row(t)[i], ++count;
          out.row(n * out.shape[1] + m)[i] = static_cast<float>(sum / count);
        }
  }
  void spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) override {
    for (std::int64_t r = 0; r < out.rows(); ++r)
      for (std::int64_t i = 0; i < out.shape[2]; ++i)
        out.row(r)[i] = x.row(r / out.shape[1] * x.shape[1] + slots[static_cast<std::size_t>(r)])[i] + residual.row(r)[i];
  }

  bool is_finite(const TensorView& x) override {
    return std::all_of(x.as<float>(), x.as<float>() + x.count(), [](float v) { return std::isfinite(v); });
  }

  std::vector<float> standard_deviation(const TensorView& x) override {
    std::vector<float> out;
    const std::int64_t size = x.count() / x.shape[0];
    for (std::int64_t n = 0; n < x.shape[0]; ++n) {
      const float* v = x.as<float>() + n * size;
      double mean = 0, variance = 0;
      for (std::int64_t i = 0; i < size; ++i) mean += v[i];
      mean /= static_cast<double>(size);
      for (std::int64_t i = 0; i < size; ++i) variance += (v[i] - mean) * (v[i] - mean);
      out.push_back(static_cast<float>(std::sqrt(variance / static_cast<double>(size - 1))));
    }
    return out;
  }

 private:
  static std::unique_ptr<PackedWeights> pack(const TensorView& weight, const TensorView& bias, bool gated, const ConvGeometry& geometry) {
    auto p = std::make_unique<Packed>();
    p->weight = read_all(weight);
    p->bias = read_all(bias);
    p->shape = weight.shape;
    p->gated = gated;
    p->geometry = geometry;
    return p;
  }

  /// One output of a convolution before its epilogue; out-of-range taps are zero after the prologue.
  static double tap_sum(const TensorView& x, const Packed& w, const Prologue& p, const TensorView& out, std::int64_t n, std::int64_t y,
                        std::int64_t xx, std::int64_t o) {
    const ConvGeometry& g = w.geometry;
    const std::int64_t channels = x.shape[3];
    const std::int64_t height = g.enlarged(x.shape[1], out.shape[1]);
    const std::int64_t width = g.enlarged(x.shape[2], out.shape[2]);
    double sum = 0;
    for (std::int64_t ky = 0; ky < g.kernel; ++ky)
      for (std::int64_t kx = 0; kx < g.kernel; ++kx) {
        const std::int64_t iy = y * g.stride + ky - g.pad_begin, ix = xx * g.stride + kx - g.pad_begin;
        if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
        const float* row = x.row((n * x.shape[1] + iy / g.upsample) * x.shape[2] + ix / g.upsample);
        for (std::int64_t i = 0; i < channels; ++i) {
          double v = row[i];
          if (p.scale) v = activated(v * p.scale.row(n)[i] + p.shift.row(n)[i], p.activation);
          sum += v * w.weight[((o * channels + i) * g.kernel + ky) * g.kernel + kx];
        }
      }
    return sum;
  }

  template <typename F>
  static void each(const TensorView& x, std::int64_t first_row, std::int64_t rows, std::int64_t first, std::int64_t count, const F& f) {
    for (std::int64_t r = first_row; r < first_row + rows; ++r)
      for (std::int64_t i = first; i < first + count; ++i) f(static_cast<double>(x.row(r)[i]));
  }

  /// Per image, [a, b] to [b, a].
  static void transpose(const TensorView& x, std::int64_t a, std::int64_t b, const TensorView& out) {
    for (std::int64_t n = 0; n < x.shape[0]; ++n)
      for (std::int64_t i = 0; i < a; ++i)
        for (std::int64_t j = 0; j < b; ++j) out.as<float>()[(n * b + j) * a + i] = x.as<float>()[(n * a + i) * b + j];
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace impasto
