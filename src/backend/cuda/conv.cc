// Convolutions by cuDNN: a map is staged where cuDNN cannot read it as it lies, and finished by a kernel of ours where that is not slower.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "backend/cuda/kernels.h"
#include "backend/cuda/libraries.h"
#include "backend/cuda/products.h"

namespace impasto {
namespace cuda {
namespace {

bool is_plain(const TensorView& t, DType type) { return t.dtype == type && t.contiguous() && is_aligned(t); }

/// Images first .. first + count of a view, which may be empty.
TensorView images(const TensorView& t, std::int64_t first, std::int64_t count) {
  if (!t) return t;
  TensorView part = t;
  const std::int64_t rows = t.rows() / t.shape[0];
  part.data = t.as<char>() + first * rows * t.row_stride * static_cast<std::int64_t>(size_of(t.dtype));
  part.shape[0] = count;
  return part;
}

/// One convolution of a map that cuDNN can read as it lies.
class Convolution {
 public:
  Convolution(CudaBackend& backend, const CudaWeights& w, const Epilogue& e, const TensorView& x, std::int64_t pad, const TensorView& out)
      : backend_(backend), w_(w), e_(e), x_(x), out_(out), type_(backend.feature_type()) {
    shape_ = {.type = type_, .n = x.shape[0], .h = x.shape[1], .w = x.shape[2], .c = x.shape[3], .k = w.padded_out};
    shape_.p = out.shape[1], shape_.q = out.shape[2];
    shape_.kernel = w.geometry.kernel, shape_.stride = w.geometry.stride, shape_.pad = pad;
    direct_ = is_plain(out, type_) && w.out == w.padded_out;
    in_place_ = e.residual && e.residual.data == out.data;
    bare_ = direct_ && w.bias == nullptr && !e.row_bias && !e.residual && e.activation == Activation::none;
    one_bias_ = w.bias != nullptr || e.row_bias;
    // cuDNN adds one bias to all images: given one for each, its kernels read where they must not (9.19).
    fusable_ = direct_ && !bare_ && e.activation == Activation::none && (!e.row_bias || e.row_bias.row_stride == 0 || shape_.n == 1) &&
               (!e.residual || is_plain(e.residual, type_));
  }

  void run() {
    // The residual is read after the sums are there, and calls that are timed run more than once: neither may overwrite it.
    const std::int64_t pixels = shape_.n * shape_.p * shape_.q;
    const Scratch elsewhere(backend_, direct_ && !in_place_ ? 0 : static_cast<std::size_t>(pixels * w_.padded_out) * size_of(type_));
    sums_ = elsewhere.data() != nullptr ? elsewhere.data() : out_.data;

    CudaLibraries& libraries = backend_.libraries();
    const std::scoped_lock lock(libraries.dnn_mutex);
    const bool timed = libraries.may_time(backend_.stream());
    ConvShape fused = shape_;
    fused.bias = one_bias_;
    fused.residual = static_cast<bool>(e_.residual);
    if (fusable_ && choose_fusion(libraries, fused, timed)) return run_fused(graph(libraries, fused, timed), out_.data);
    run_bare(graph(libraries, shape_, timed));
    if (!bare_) finish(out_);
  }

 private:
  /// The cached graph of a shape; built, and its plans timed, at its first use.
  const GraphPlan& graph(CudaLibraries& libraries, const ConvShape& shape, bool timed) {
    constexpr int kBareCandidates = 8, kFusedCandidates = 3;
    GraphPlan& kept = libraries.convolutions[shape];
    if (kept.description.empty()) {
      kept.graph = make_convolution_graph(libraries.dnn(backend_.stream()), shape, kept.description);
      kept.settled = !kept;
    } else if (kept.settled || !timed) {
      libraries.plans.write_if_due();
      return kept;
    }
    if (!kept) return kept;
    const bool bare = shape == shape_;
    const Scratch combined = combined_bias(!bare && e_.row_bias);
    const auto operands = bare ? bare_operands() : fused_operands(combined, sums_);
    choose_plan(backend_, kept, {shape.plan_key(), bare ? kBareCandidates : kFusedCandidates, is_cold(), timed}, operands);
    return kept;
  }

  /// Whether the filters are larger than what they are applied to: they come from memory, then, and the map from the cache.
  bool is_cold() const { return shape_.k * shape_.kernel * shape_.kernel > shape_.n * shape_.h * shape_.w; }

  /// Whether cuDNN's kernel finishes the sums.
  bool choose_fusion(CudaLibraries& libraries, const ConvShape& fused, bool timed) {
    FusionChoice& kept = libraries.fusions[fused];
    if (kept.description.empty() || (timed && !kept.settled)) kept = compare_fused(libraries, fused, timed);
    return kept.fused;
  }

  FusionChoice compare_fused(CudaLibraries& libraries, const ConvShape& fused, bool timed) {
    const std::string key = "fusion of " + fused.plan_key();
    const std::array<const char*, 2> names{"finished apart", "fused"};
    const auto kept = libraries.plans.find(key);
    const bool known = kept && kept->index < 2 && kept->name == names[static_cast<std::size_t>(kept->index)];
    if (known && kept->index == 0) return {.fused = false, .settled = true, .description = concat(names[0], ", as before")};
    const GraphPlan& whole = graph(libraries, fused, timed);
    if (!whole) return {.fused = false, .settled = true, .description = names[0]};
    if (known) return {.fused = true, .settled = true, .description = concat(names[1], ", as before")};
    FusionChoice choice{.fused = true, .settled = timed, .description = names[1]};
    if (!timed) return choice;
    if (const GraphPlan& bare = graph(libraries, shape_, timed)) {
      const TensorView sums(sums_, type_, out_.shape);
      const double together = time_calls(backend_, {.cold = is_cold()}, [&] { run_fused(whole, sums_); });
      const double apart = time_calls(backend_, {.cold = is_cold(), .best = together}, [&] {
        run_bare(bare);
        finish(sums);
      });
      choice.fused = !is_faster(apart, together);
      choice.description = concat(names[choice.fused ? 1 : 0], ", ", together, " ms fused, ", apart, " ms apart");
    }
    libraries.plans.put(key, choice.fused ? 1 : 0, names[choice.fused ? 1 : 0]);
    return choice;
  }

  std::vector<void*> bare_operands() const { return {x_.data, w_.filters, sums_}; }

  std::vector<void*> fused_operands(const Scratch& combined, void* out) const {
    std::vector<void*> operands{x_.data, w_.filters};
    if (combined.data() != nullptr) {
      operands.push_back(combined.data());
    } else if (w_.bias != nullptr) {
      operands.push_back(w_.bias);
    }
    if (e_.residual) operands.push_back(e_.residual.data);
    operands.push_back(out);
    return operands;
  }

  /// For bias + row_bias in the feature type, [1, k].
  Scratch combined_bias(bool wanted) const { return Scratch(backend_, wanted ? static_cast<std::size_t>(shape_.k) * size_of(type_) : 0); }

  void run_bare(const GraphPlan& bare) const {
    if (!bare) fail(ErrorKind::internal, "cuDNN, ", shape_.to_string(), ": ", bare.description);
    execute(backend_, *bare.graph, bare.plan, bare_operands());
  }

  void run_fused(const GraphPlan& whole, void* out) const {
    const Scratch combined = combined_bias(static_cast<bool>(e_.row_bias));
    if (e_.row_bias) {
      TensorView row = e_.row_bias;
      row.shape[0] = 1, row.row_stride = shape_.k;
      finish_rows(backend_, row, w_.bias_view(), {}, /*gated=*/false, TensorView(combined.data(), type_, {1, shape_.k}));
    }
    execute(backend_, *whole.graph, whole.plan, fused_operands(combined, out));
  }

  void finish(const TensorView& out) const {
    Shape shape = out_.shape;
    shape[3] = w_.out;
    finish_rows(backend_, TensorView(sums_, type_, shape, w_.padded_out), w_.bias_view(), e_, /*gated=*/false, out);
  }

  CudaBackend& backend_;
  const CudaWeights& w_;
  const Epilogue& e_;
  const TensorView &x_, &out_;
  DType type_;
  ConvShape shape_;
  void* sums_ = nullptr;
  bool direct_ = false, in_place_ = false, bare_ = false, fusable_ = false, one_bias_ = false;
};

void convolve(CudaBackend& backend, const TensorView& x, const CudaWeights& w, const Prologue& prologue, const Epilogue& e, const TensorView& out) {
  const ConvGeometry& g = w.geometry;
  const DType type = backend.feature_type();
  const bool lopsided = g.pad_begin != g.pad_end;
  if (!prologue.scale && g.upsample == 1 && !lopsided && w.in == w.padded_in && is_plain(x, type)) {
    return Convolution(backend, w, e, x, g.pad_begin, out).run();
  }
  const std::int64_t h = g.enlarged(x.shape[1], out.shape[1]), width = g.enlarged(x.shape[2], out.shape[2]);
  const int top = lopsided ? g.pad_begin : 0, border = lopsided ? g.pad_begin + g.pad_end : 0;
  const Shape shape{x.shape[0], h + border, width + border, w.padded_in};
  const Scratch staged(backend, static_cast<std::size_t>(shape.count()) * size_of(type));
  const TensorView view(staged.data(), type, shape);
  if (lopsided && g.upsample != 1) {  // a crop, and the zeros behind it: one after the other
    const Shape inner{x.shape[0], h, width, w.padded_in};
    const Scratch cropped(backend, static_cast<std::size_t>(inner.count()) * size_of(type));
    const TensorView middle(cropped.data(), type, inner);
    stage_map(backend, x, prologue, g.upsample, 0, 0, middle);
    stage_map(backend, middle, {}, 1, top, top, view);
  } else {
    stage_map(backend, x, prologue, g.upsample, top, top, view);
  }
  Convolution(backend, w, e, view, lopsided ? 0 : g.pad_begin, out).run();
}

/// A linear layer on pixels.
bool is_pointwise(const ConvGeometry& g) { return g.kernel == 1 && g.stride == 1 && g.pad_begin == 0 && g.pad_end == 0 && g.upsample == 1; }

}  // namespace
}  // namespace cuda

std::unique_ptr<PackedWeights> CudaBackend::pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) {
  return std::make_unique<cuda::CudaWeights>(*this, weight, bias, /*gated=*/false, geometry);
}

void CudaBackend::conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue,
                         const TensorView& out) {
  using namespace cuda;
  const auto& w = static_cast<const CudaWeights&>(weights);
  if (out.count() == 0) return;
  if (is_pointwise(w.geometry)) {
    if (!prologue.scale) return linear_rows(*this, x, w, epilogue, out);
    const Shape shape{x.shape[0], x.shape[1], x.shape[2], w.padded_in};
    const Scratch staged(*this, static_cast<std::size_t>(shape.count()) * size_of(features_));
    const TensorView view(staged.data(), features_, shape);
    stage_map(*this, x, prologue, 1, 0, 0, view);
    return linear_rows(*this, view, w, epilogue, out);
  }
  // Kernels count elements in 32 bits: as many images at once as that allows.
  constexpr std::int64_t kMostElements = std::numeric_limits<std::int32_t>::max();
  const std::int64_t n = x.shape[0], upsample = w.geometry.upsample, border = w.geometry.pad_begin + w.geometry.pad_end;
  const std::int64_t elements =
      std::max((x.shape[1] * upsample + border) * (x.shape[2] * upsample + border) * w.padded_in, out.shape[1] * out.shape[2] * w.padded_out);
  const std::int64_t at_once = std::clamp<std::int64_t>(kMostElements / elements, 1, n);
  for (std::int64_t first = 0; first < n; first += at_once) {
    const std::int64_t count = std::min(at_once, n - first);
    const Prologue before{
        .scale = images(prologue.scale, first, count), .shift = images(prologue.shift, first, count), .activation = prologue.activation};
    const Epilogue after{
        .row_bias = images(epilogue.row_bias, first, count), .activation = epilogue.activation, .residual = images(epilogue.residual, first, count)};
    convolve(*this, images(x, first, count), w, before, after, images(out, first, count));
  }
}

}  // namespace impasto
