// Weights on the device, and linear layers: a product that cuBLASLt finishes, or a kernel of ours.
#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/libraries.h"
#include "backend/cuda/products.h"

namespace impasto {
namespace cuda {
namespace {

/// Rows first .. first + count of a view, which may be empty.
TensorView rows_of(const TensorView& t, std::int64_t first, std::int64_t count) {
  if (!t) return t;
  return {t.as<char>() + first * t.row_stride * static_cast<std::int64_t>(size_of(t.dtype)), t.dtype, {count, t.shape.back()}, t.row_stride};
}

/// A linear layer whose sums a kernel of ours finishes. `p` is the product, without a place for its sums.
class FinishedProduct {
 public:
  FinishedProduct(CudaBackend& backend, const Product& p, const CudaWeights& w, const Epilogue& e, const TensorView& out)
      : backend_(backend), p_(p), w_(w), e_(e), out_(out), row_bytes_(w.padded_out * static_cast<std::int64_t>(size_of(p.out_type))) {
    p_.n = p_.out_stride = w.padded_out;
  }

  /// False, with nothing queued, where cuBLASLt has no algorithm.
  bool run() const { return run_in(choose_pieces()); }

 private:
  /// So many rows at a time: sums that stay in the L2 cache need not come back from memory.
  bool run_in(int pieces) const {
    constexpr std::int64_t kStep = 256;  // whole tiles of the product's kernels
    const std::int64_t at_once = pieces == 1 ? p_.m : round_up((p_.m + pieces - 1) / pieces, kStep);
    const Scratch sums(backend_, static_cast<std::size_t>(at_once * row_bytes_));
    for (std::int64_t first = 0; first < p_.m; first += at_once) {
      Product part = p_;
      part.m = std::min(at_once, p_.m - first);
      part.x = static_cast<const char*>(p_.x) + first * p_.x_stride * static_cast<std::int64_t>(size_of(p_.type));
      part.out = sums.data();
      if (!multiply(backend_, part)) return false;
      if (pieces == 1) {  // with the images' own biases
        Shape shape = out_.shape;
        shape[shape.rank() - 1] = w_.out;
        finish_rows(backend_, TensorView(sums.data(), p_.out_type, shape, w_.padded_out), w_.bias_view(), e_, w_.gated, out_);
        return true;
      }
      Epilogue after = e_;
      after.residual = rows_of(e_.residual, first, part.m);
      const TensorView view(sums.data(), p_.out_type, {part.m, w_.out}, w_.padded_out);
      finish_rows(backend_, view, w_.bias_view(), after, w_.gated, rows_of(out_, first, part.m));
    }
    return true;
  }

  /// In how many pieces it may be done, best guess first. A residual that is overwritten could not be read twice.
  std::vector<int> candidates() const {
    constexpr std::int64_t kMiB = std::int64_t{1} << 20, kSmall = 16 * kMiB, kMost = 64;
    const std::int64_t bytes = p_.m * row_bytes_;
    std::vector<int> all{1};
    if (!w_.gated || e_.row_bias || (e_.residual && e_.residual.data == out_.data) || bytes <= kSmall) return all;
    for (const std::int64_t piece : {32 * kMiB, 16 * kMiB, 8 * kMiB}) {
      const auto pieces = static_cast<int>(std::min((bytes + piece - 1) / piece, kMost));
      if (pieces != all.back()) all.push_back(pieces);
    }
    return all;
  }

  int choose_pieces() const {
    const std::vector<int> all = candidates();
    if (all.size() == 1) return 1;
    const PiecesKey key{.type = p_.type,
                        .sums_type = p_.out_type,
                        .out_type = out_.dtype,
                        .rows = p_.m,
                        .columns = p_.n,
                        .depth = p_.k,
                        .x_stride = p_.x_stride,
                        .out_stride = out_.row_stride,
                        .x_alignment = alignment_of(p_.x),
                        .out_alignment = alignment_of(out_.data),
                        .bias = static_cast<bool>(w_.bias_view()),
                        .residual = static_cast<bool>(e_.residual)};
    CudaLibraries& libraries = backend_.libraries();
    const bool timed = libraries.may_time(backend_.stream());
    {
      const std::scoped_lock lock(libraries.blas_mutex);
      const auto kept = libraries.pieces.find(key);
      if (kept != libraries.pieces.end() && (kept->second.settled || !timed)) return kept->second.pieces;
    }
    const PiecesChoice choice = choose(all, key.plan_key(), timed);
    const std::scoped_lock lock(libraries.blas_mutex);
    PiecesChoice& kept = libraries.pieces[key];
    if (!kept.settled) kept = choice;  // else another thread was faster
    return kept.pieces;
  }

  PiecesChoice choose(const std::vector<int>& all, const std::string& key, bool timed) const {
    constexpr const char* kName = "pieces";
    PlanCache& plans = backend_.libraries().plans;
    const auto kept = plans.find(key);
    if (kept && kept->name == kName && std::find(all.begin(), all.end(), kept->index) != all.end()) {
      return {.pieces = kept->index, .settled = true, .description = concat("pieces: ", kept->index, ", as before")};
    }
    PiecesChoice choice{.pieces = 1, .settled = timed, .description = "in one piece"};
    if (!timed || !run_in(1)) return choice;
    double best = 0;
    std::string times;
    for (const int pieces : all) {
      bool done = true;
      const double milliseconds = time_calls(backend_, {.cold = false, .best = best}, [&] { done = run_in(pieces) && done; });
      if (!done) continue;
      times += concat(", ", milliseconds, " ms in ", pieces);
      if (!is_faster(milliseconds, best)) continue;
      best = milliseconds;
      choice.pieces = pieces;
    }
    choice.description = concat("pieces: ", choice.pieces, times);
    if (best != 0) plans.put(key, choice.pieces, kName);
    return choice;
  }

  CudaBackend& backend_;
  Product p_;
  const CudaWeights& w_;
  const Epilogue& e_;
  const TensorView& out_;
  std::int64_t row_bytes_;
};

}  // namespace

CudaWeights::CudaWeights(CudaBackend& backend, const TensorView& weight, const TensorView& bias_, bool gated_, const ConvGeometry& geometry_)
    : out(weight.shape[0]),
      in(weight.shape[1]),
      padded_out(round_up(out, 8)),
      padded_in(round_up(in, 8)),
      gated(gated_),
      geometry(geometry_),
      backend_(backend) {
  constexpr std::size_t kPart = 256;  // every part begins at a multiple
  const std::int64_t kernel = geometry.kernel;
  const TensorView packed(nullptr, backend.feature_type(), {padded_out, kernel, kernel, padded_in});
  const std::size_t filter_bytes = (packed.bytes() + kPart - 1) / kPart * kPart, bias_bytes = static_cast<std::size_t>(padded_out) * 2;
  const std::size_t bias_part = (bias_bytes + kPart - 1) / kPart * kPart;
  bytes_ = filter_bytes + (bias_ ? bias_part + bias_bytes * 2 : 0);
  block_ = backend.allocate(bytes_);
  filters = block_;
  try {
    const auto stored = [&](const TensorView& host, const Shape& shape, const Scratch& scratch) {
      require_cuda(cudaMemcpyAsync(scratch.data(), host.data, host.bytes(), cudaMemcpyHostToDevice, backend.stream()), "uploading weights");
      return TensorView(scratch.data(), host.dtype, shape);
    };
    const Scratch raw(backend, weight.bytes());
    pack_filters(backend, stored(weight, {out, in, kernel, kernel}, raw), TensorView(filters, packed.dtype, packed.shape));
    if (bias_) {
      bias = static_cast<char*>(block_) + filter_bytes;
      exact_bias = static_cast<char*>(bias) + bias_part;
      const Scratch raw_bias(backend, bias_.bytes());
      const TensorView device = stored(bias_, {1, out}, raw_bias);
      convert_columns(backend, device, TensorView(bias, packed.dtype, {1, padded_out}));
      convert_columns(backend, device, TensorView(exact_bias, DType::float32, {1, padded_out}));
    }
  } catch (...) {
    backend.deallocate(block_, bytes_);
    throw;
  }
}

CudaWeights::~CudaWeights() { backend_.deallocate(block_, bytes_); }

void linear_rows(CudaBackend& backend, const TensorView& x, const CudaWeights& w, const Epilogue& e, const TensorView& out) {
  const std::int64_t count = out.rows();
  if (count == 0) return;
  const DType type = backend.feature_type();
  const bool direct = !w.gated && e.activation == Activation::none && !e.row_bias && (out.dtype == type || out.dtype == DType::float32) &&
                      (!e.residual || e.residual.dtype == out.dtype);
  Product p{.m = count, .n = w.out, .k = w.padded_in, .type = type, .out_type = out.dtype == DType::float32 ? DType::float32 : type};
  p.w = w.filters, p.w_stride = w.padded_in;

  const auto run = [&](const void* data, std::int64_t stride) {
    p.x = data, p.x_stride = stride;
    if (direct) {
      Product whole = p;
      whole.out = out.data, whole.out_stride = out.row_stride;
      whole.bias = p.out_type == DType::float32 ? w.exact_bias : w.bias;
      if (e.residual) whole.residual = e.residual.data, whole.residual_stride = e.residual.row_stride;
      if (multiply(backend, whole)) return true;
    }
    return FinishedProduct(backend, p, w, e, out).run();
  };
  if (x.dtype == type && x.shape.back() == w.padded_in && run(x.data, x.row_stride)) return;
  const Scratch staged(backend, static_cast<std::size_t>(count * w.padded_in) * size_of(type));
  convert_columns(backend, x, TensorView(staged.data(), type, {count, w.padded_in}));
  if (!run(staged.data(), w.padded_in))
    fail(ErrorKind::internal, "cuBLASLt has no algorithm for ", count, " rows by weights [", w.out, ", ", w.in, "] in ", to_string(type));
}

}  // namespace cuda

std::unique_ptr<PackedWeights> CudaBackend::pack_linear(const TensorView& weight, const TensorView& bias, bool gated) {
  return std::make_unique<cuda::CudaWeights>(*this, weight, bias, gated, ConvGeometry{.kernel = 1, .pad_begin = 0, .pad_end = 0});
}

void CudaBackend::linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) {
  cuda::linear_rows(*this, x, static_cast<const cuda::CudaWeights&>(weights), epilogue, out);
}

}  // namespace impasto
