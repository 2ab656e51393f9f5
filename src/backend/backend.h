// What a device must be able to do: memory, and the operations that Stable Diffusion is made of.
//
// Feature maps are NHWC, token sequences [n, t, c]; both are rows of channels, so a feature map is a token sequence. What a network computes
// is of the device's feature_type(), float32 on the CPU; all else is float32. Callers (src/ops) have checked shapes and allocated outputs; an
// implementation trusts them. A view may be a range of columns (row_stride > last dimension) only where a parameter says "strided". Outputs never
// overlap inputs unless a parameter says so.
//
// Every operation gives the same bits for any number of threads, and the same bits for image k of a batch as for that image alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory.h"
#include "core/tensor_view.h"

namespace impasto {

enum class Activation {
  none,
  silu,        ///< x / (1 + exp(-x))
  gelu,        ///< x * (1 + erf(x / sqrt(2))) / 2
  quick_gelu,  ///< x / (1 + exp(-1.702 x))
};

/// Weights of one layer in the layout that the device's kernel wants; made once, at load.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  /// Bytes held beyond the mapped file.
  virtual std::size_t bytes() const = 0;
};

/// What happens to a product between the sum and the store, in this order:
///   y = x . W^T + bias;  y += row_bias[image];  y = act(y), or y = value * gelu(gate);  y += residual
struct Epilogue {
  TensorView row_bias;  ///< [n, out]: one row per image (the time embedding), strided, or empty; all the same row where row_stride is 0
  Activation activation = Activation::none;
  TensorView residual;  ///< as out (may be out itself), or empty
};

/// What happens to a convolution's input as it is loaded: x = act(x * scale[image, channel] + shift[image, channel]). Padding is zero after it.
struct Prologue {
  TensorView scale;  ///< [n, c], or empty for none
  TensorView shift;  ///< [n, c]
  Activation activation = Activation::none;
};

struct ConvGeometry {
  int kernel = 3;  ///< height and width
  int stride = 1;
  int pad_begin = 1;  ///< rows above and columns to the left
  int pad_end = 1;    ///< rows below and columns to the right
  int upsample = 1;   ///< 2: each input pixel counts as a square of 2 x 2 (nearest), before padding; stride 1 only

  /// Length of a side that the kernel slides over: the input's, enlarged, cropped to the output's (see Backend::conv2d).
  std::int64_t enlarged(std::int64_t input, std::int64_t output_size) const {
    return upsample == 1 ? input : input * upsample - (output(input) - output_size);
  }
  std::int64_t output(std::int64_t input) const { return (input * upsample + pad_begin + pad_end - kernel) / stride + 1; }
};

struct DeviceDescription {
  std::string name;          ///< of the processor
  std::string instructions;  ///< that kernels use: "avx2", ...
};

/// Calls that were made once and can be made again in one go.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Queues the calls again: the same operations on the same memory, with what it holds by then.
  virtual void replay() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  virtual DeviceDescription describe() const = 0;
  /// Of what products, convolutions, attention and norms yield: feature maps and token sequences. They take it, and float32, as x.
  virtual DType feature_type() const { return DType::float32; }
  /// What the factors of products, convolutions and attention are rounded to.
  virtual DType factor_type() const { return feature_type(); }
  /// The same device computing in a type of float32's range: for networks whose activations leave float16's.
  virtual Backend& with_wide_range() { return *this; }
  /// Whether the host may read and write the device's memory, and the device the host's.
  virtual bool shares_host_memory() const { return true; }
  /// What the device reaches in a loop of nothing but multiply-adds of such factors (into float32 sums; a CPU's of float16 into float16), 1e9
  /// operations (two for each) a second. Takes a fraction of a second.
  virtual double measure_peak_gflops(DType factors) = 0;

  // --- memory. Blocks are kept for reuse after deallocate, so a loop that repeats its shapes allocates nothing after its first turn.
  virtual void* allocate(std::size_t bytes) = 0;  ///< 64-byte aligned, contents undefined; throws out_of_memory
  virtual void deallocate(void* block, std::size_t bytes) noexcept = 0;
  virtual void release_cached_memory() = 0;
  /// Shapes to come are others: what is kept may be made into blocks of theirs.
  virtual void recycle_cached_memory() {}
  /// release_cached_memory() where others wait for the memory: a device that keeps some in release_cached_memory(), since it will soon want it again,
  /// keeps none now.
  virtual void empty_cache() { release_cached_memory(); }
  /// Bytes that could still be allocated: free on the device, or kept for reuse.
  virtual std::int64_t available_memory() const { return impasto::available_memory(); }
  virtual void upload(const void* host, void* device, std::size_t bytes) = 0;
  virtual void download(const void* device, void* host, std::size_t bytes) = 0;

  /// Whether conv2d applies its prologue as it loads, so that a map need not be normalised in memory; and whether layers of the same input gain by
  /// being one product.
  virtual bool loads_through_prologues() const { return true; }
  virtual bool joins_products() const { return false; }
  /// Until all that was queued is done, where operations are queued rather than run.
  virtual void wait() {}
  /// Whether a device gains by record().
  virtual bool records() const { return false; }
  /// Takes down the operations of `calls` without running them; nullptr where records() is false. They must have run before at the same shapes, may
  /// neither upload nor ask for values, and whatever memory they name must live as long as the recording. What they allocate is overwritten by every
  /// replay and goes with the recording.
  virtual std::unique_ptr<Recording> record([[maybe_unused]] const std::function<void()>& calls) { return nullptr; }

  // --- products. Weights come as they are stored (float32, float16, bfloat16), contiguous; the memory behind them outlives the result.
  /// weight [out, in], bias [out] or empty. `gated`: the weight's first half of rows are values, the second half gates; linear() then
  /// stores value * gelu(gate) and its output has out / 2 columns (GEGLU, Shazeer 2020).
  virtual std::unique_ptr<PackedWeights> pack_linear(const TensorView& weight, const TensorView& bias, bool gated) = 0;
  /// x [..., in] strided, out [..., out] strided. row_bias needs out's shape to be [n, ..., out].
  virtual void linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) = 0;
  /// weight [out, in, kernel, kernel], bias [out] or empty.
  virtual std::unique_ptr<PackedWeights> pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) = 0;
  /// x [n, h, w, in], out [n, geometry.output(h), geometry.output(w), out]. With upsample 2, out may be a row or a column short: the
  /// enlarged input is cropped to out's size before the zero padding (latents whose sides are odd at some level of the UNet).
  virtual void conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue,
                      const TensorView& out) = 0;

  // --- attention: softmax(q k^T * scale) v per head, never holding the score matrix (Dao et al., 2022).
  /// q [n, tq, heads * d], k and v [n, tk, heads * d], out as q; all strided. `causal`: query i sees keys 0..i (tq == tk).
  virtual void attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal,
                         const TensorView& out) = 0;

  // --- norms
  /// The affine map that group normalisation amounts to: scale and shift, each [n, c], from x [n, ..., c], gamma [c], beta [c].
  virtual void group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, const TensorView& scale,
                                 const TensorView& shift) = 0;
  /// out = act(x * scale + shift), x [n, ..., c], scale and shift [n, c]; out may be x.
  virtual void apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) = 0;
  /// out = act(normalised x): one of these after the other, unless the device has a better way. out may be x.
  virtual void group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                          const TensorView& out);
  /// Over the last dimension; gamma and beta [c]; out may be x.
  virtual void layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) = 0;

  // --- elementwise
  virtual void activate(const TensorView& x, Activation activation, const TensorView& out) = 0;  ///< out may be x
  virtual void add(const TensorView& a, const TensorView& b, const TensorView& out) = 0;         ///< out may be a or b
  /// out = sum of coefficient[i] * terms[i], summed in order, each rounded to float32; out may be one of the terms.
  virtual void combine(std::span<const float> coefficients, std::span<const TensorView> terms, const TensorView& out) = 0;
  virtual void clamp(const TensorView& x, float low, float high, const TensorView& out) = 0;  ///< out may be x
  /// out [..., a's columns + b's columns]; a, b and out strided.
  virtual void concat_columns(const TensorView& a, const TensorView& b, const TensorView& out) = 0;
  /// out[i] = table[ids[i]]: ids int32 [t] on the host, table [vocabulary, c] stored as float32, float16 or bfloat16, out [t, c].
  virtual void embed(std::span<const std::int32_t> ids, const TensorView& table, const TensorView& out) = 0;
  /// x [n, c, h, w] to out [n, h, w, c], and back.
  virtual void nchw_to_nhwc(const TensorView& x, const TensorView& out) = 0;
  virtual void nhwc_to_nchw(const TensorView& x, const TensorView& out) = 0;
  /// Pixels: out, uint8, is the nearest integer (ties to even) to 255 * (x / 2 + 0.5), the sum clamped to 0..1; contiguous.
  virtual void to_bytes(const TensorView& x, const TensorView& out) = 0;
  /// Any stored float type to float32, same shape, contiguous.
  virtual void widen(const TensorView& x, const TensorView& out) = 0;

  // --- rows chosen by the host (token merging)
  /// For each image of x [n, t, c] and each of the rows `sources`, the place in `targets` of the row that points most nearly the same way (the first
  /// of several), and the cosine of the angle; both [n * sources]. A row of zeros has cosine 0 to all.
  virtual void match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets,
                          std::span<std::int32_t> matches, std::span<float> cosines) = 0;
  /// Row s of image i of out [n, m, c] is the mean of the rows of x [n, t, c] whose entry in slots [n * t] is s; each s has at least one.
  virtual void mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) = 0;
  /// Row r of image i of out [n, t, c] is row slots[i * t + r] of x [n, m, c] plus residual's row r.
  virtual void spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) = 0;

  // --- questions about a tensor, answered on the host
  virtual bool is_finite(const TensorView& x) = 0;
  /// Standard deviation (n - 1 below the line, as torch.std) of each image's values, x [n, ...].
  virtual std::vector<float> standard_deviation(const TensorView& x) = 0;
};

}  // namespace impasto
