// Attention: cuDNN's fused kernel where it has one, else two products with a softmax between them, a piece at a time.
#include <algorithm>
#include <array>
#include <bit>

#include "backend/cuda/check.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/libraries.h"
#include "backend/cuda/products.h"

namespace impasto {
namespace cuda {
namespace {

struct Heads {
  int count;
  std::int64_t d;
  float scale;
  bool causal;
};

/// False where cuDNN has no kernel for it.
bool attend_fused(CudaBackend& backend, const TensorView& q, const TensorView& k, const TensorView& v, const Heads& heads, const TensorView& out) {
  constexpr int kCandidates = 2;
  if (heads.d % 8 != 0 || !is_aligned(q) || !is_aligned(k) || !is_aligned(v) || !is_aligned(out)) return false;
  AttentionShape shape{.type = q.dtype, .n = q.shape[0], .heads = heads.count, .tq = q.shape[1], .tk = k.shape[1], .d = heads.d};
  shape.q_stride = q.row_stride, shape.k_stride = k.row_stride, shape.v_stride = v.row_stride, shape.out_stride = out.row_stride;
  shape.scale = std::bit_cast<std::uint32_t>(heads.scale), shape.causal = heads.causal;
  const std::array<void*, 4> operands{q.data, k.data, v.data, out.data};

  CudaLibraries& libraries = backend.libraries();
  const std::scoped_lock lock(libraries.dnn_mutex);
  const bool timed = libraries.may_time(backend.stream());
  GraphPlan& kept = libraries.attentions[shape];
  const bool is_new = kept.description.empty();
  if (is_new) {
    kept.graph = make_attention_graph(libraries.dnn(backend.stream()), shape, kept.description);
    kept.settled = !kept;
    if (!kept) kept.description = "by products, cuDNN: " + kept.description;
  }
  if (kept && (is_new || (timed && !kept.settled))) {
    choose_plan(backend, kept, {.key = shape.plan_key(), .candidates = kCandidates, .timed = timed}, operands);
  } else {
    libraries.plans.write_if_due();
  }
  if (!kept) return false;
  execute(backend, *kept.graph, kept.plan, operands);
  return true;
}

/// What the products read or write of one image: heads `head_stride` apart, rows of at least d elements.
struct Operand {
  void* data;
  std::int64_t row_stride, head_stride;
  void* at(std::int64_t head, std::int64_t row, std::size_t element) const {
    return static_cast<char*>(data) + (head * head_stride + row * row_stride) * static_cast<std::int64_t>(element);
  }
};

/// Columns of one head in one image.
TensorView head_of(const TensorView& t, std::int64_t image, std::int64_t head, std::int64_t d) {
  const std::int64_t rows = t.shape[1];
  return {t.as<char>() + (image * rows * t.row_stride + head * d) * static_cast<std::int64_t>(size_of(t.dtype)), t.dtype, {rows, d}, t.row_stride};
}

/// By products. q, k and v are of the feature type.
class Products {
 public:
  Products(CudaBackend& backend, const TensorView& q, const TensorView& k, const TensorView& v, const Heads& heads, const TensorView& out)
      : backend_(backend), q_(q), k_(k), v_(v), out_(out), heads_(heads), type_(backend.feature_type()), tq_(q.shape[1]), tk_(k.shape[1]) {
    padded_tk_ = round_up(tk_, 8);
    padded_d_ = round_up(heads.d, 8);
    // cuBLASLt has algorithms for anything that is a multiple of 8; copies make it so.
    packed_ =
        padded_d_ != heads.d || padded_tk_ != tk_ || !is_aligned(q) || !is_aligned(k) || !is_aligned(v) || !is_aligned(out) || out.dtype != type_;
  }

  void run() {
    const std::int64_t q_size = tq_ * padded_d_, k_size = padded_tk_ * padded_d_;
    const auto bytes = [&](std::int64_t size) { return packed_ ? static_cast<std::size_t>(heads_.count * size) * size_of(type_) : 0; };
    const Scratch q(backend_, bytes(q_size)), k(backend_, bytes(k_size)), v(backend_, bytes(k_size)), out(backend_, bytes(q_size));
    for (std::int64_t image = 0; image < q_.shape[0]; ++image) {
      if (!packed_) {
        attend(whole(q_, image), whole(k_, image), whole(v_, image), whole(out_, image));
        continue;
      }
      pack(q_, image, tq_, q.data());
      pack(k_, image, padded_tk_, k.data());
      pack(v_, image, padded_tk_, v.data());
      attend({q.data(), padded_d_, q_size}, {k.data(), padded_d_, k_size}, {v.data(), padded_d_, k_size}, {out.data(), padded_d_, q_size});
      for (std::int64_t head = 0; head < heads_.count; ++head) {
        const TensorView sums(out.as<char>() + head * q_size * static_cast<std::int64_t>(size_of(type_)), type_, {tq_, heads_.d}, padded_d_);
        convert_columns(backend_, sums, head_of(out_, image, head, heads_.d));
      }
    }
  }

 private:
  Operand whole(const TensorView& t, std::int64_t image) const { return {head_of(t, image, 0, heads_.d).data, t.row_stride, heads_.d}; }

  /// Each head of an image as [rows, padded d], with zeros around it.
  void pack(const TensorView& t, std::int64_t image, std::int64_t rows, void* packed) const {
    const std::int64_t size = rows * padded_d_;
    const auto element = static_cast<std::int64_t>(size_of(type_));
    if (rows != t.shape[1]) {
      const auto bytes = static_cast<std::size_t>(heads_.count * size * element);
      require_cuda(cudaMemsetAsync(packed, 0, bytes, backend_.stream()), "filling memory");
    }
    for (std::int64_t head = 0; head < heads_.count; ++head) {
      const TensorView place(static_cast<char*>(packed) + head * size * element, type_, {t.shape[1], padded_d_});
      convert_columns(backend_, head_of(t, image, head, heads_.d), place);
    }
  }

  /// One image, as many heads and queries at once as keep the scores within bounds.
  void attend(const Operand& q, const Operand& k, const Operand& v, const Operand& out) const {
    constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;
    const std::int64_t row_bytes = padded_tk_ * 6;  // float32 scores, 16-bit probabilities
    const std::int64_t heads = std::clamp<std::int64_t>(kMostBytes / (tq_ * row_bytes), 1, heads_.count);
    // The diagonal is where a head's first row has it, so its rows stay together.
    const std::int64_t rows = heads_.causal ? tq_ : std::clamp<std::int64_t>(kMostBytes / (heads * row_bytes), 1, tq_);
    const Scratch scores(backend_, static_cast<std::size_t>(heads * rows * padded_tk_) * sizeof(float));
    const Scratch probabilities(backend_, static_cast<std::size_t>(heads * rows * padded_tk_) * size_of(type_));
    for (std::int64_t head = 0; head < heads_.count; head += heads) {
      for (std::int64_t row = 0; row < tq_; row += rows) {
        attend_piece(q, k, v, out, head, std::min(heads, heads_.count - head), row, std::min(rows, tq_ - row), scores.data(), probabilities.data());
      }
    }
  }

  void attend_piece(const Operand& q, const Operand& k, const Operand& v, const Operand& out, std::int64_t head, std::int64_t heads, std::int64_t row,
                    std::int64_t rows, void* scores, void* probabilities) const {
    const std::size_t element = size_of(type_);
    const std::int64_t d = packed_ ? padded_d_ : heads_.d, size = rows * padded_tk_;
    // float32: unscaled sums may not fit float16.
    Product product{.m = rows, .n = padded_tk_, .k = d, .type = type_, .out_type = DType::float32};
    product.x = q.at(head, row, element), product.x_stride = q.row_stride, product.x_batch = q.head_stride;
    product.w = k.at(head, 0, element), product.w_stride = k.row_stride, product.w_batch = k.head_stride;
    product.out = scores, product.out_stride = padded_tk_, product.out_batch = size;
    product.alpha = heads_.scale, product.batches = heads;
    require(product);

    const TensorView seen(scores, DType::float32, {heads, rows, tk_}, padded_tk_);
    softmax_rows(backend_, seen, 1.0F, heads_.causal);
    convert_columns(backend_, seen, TensorView(probabilities, type_, {heads, rows, padded_tk_}));

    product = {.m = rows, .n = d, .k = padded_tk_, .type = type_, .out_type = type_};
    product.x = probabilities, product.x_stride = padded_tk_, product.x_batch = size;
    product.w = v.at(head, 0, element), product.w_stride = v.row_stride, product.w_batch = v.head_stride, product.w_by_k = true;
    product.out = out.at(head, row, element), product.out_stride = out.row_stride, product.out_batch = out.head_stride;
    product.batches = heads;
    require(product);
  }

  void require(const Product& product) const {
    if (multiply(backend_, product)) return;
    fail(ErrorKind::internal, "cuBLASLt has no algorithm for attention of ", heads_.count, " heads of ", heads_.d, ", ", tq_, " queries, ", tk_,
         " keys in ", to_string(type_));
  }

  CudaBackend& backend_;
  const TensorView &q_, &k_, &v_, &out_;
  Heads heads_;
  DType type_;
  std::int64_t tq_, tk_, padded_tk_ = 0, padded_d_ = 0;
  bool packed_ = false;
};

}  // namespace
}  // namespace cuda

void CudaBackend::attention(const TensorView& q, const TensorView& k, const TensorView& v, int heads, float scale, bool causal,
                            const TensorView& out) {
  using namespace cuda;
  if (out.count() == 0) return;
  const auto bytes = [&](const TensorView& t) { return t.dtype == features_ ? 0 : static_cast<std::size_t>(t.count()) * size_of(features_); };
  const Scratch staged_q(*this, bytes(q)), staged_k(*this, bytes(k)), staged_v(*this, bytes(v)), staged_out(*this, bytes(out));
  const auto narrowed = [&](const TensorView& t, const Scratch& staged) {
    return staged.data() == nullptr ? t : TensorView(staged.data(), features_, t.shape);
  };
  const auto read = [&](const TensorView& t, const Scratch& staged) {
    const TensorView view = narrowed(t, staged);
    if (staged.data() != nullptr) convert_columns(*this, t, view);
    return view;
  };
  const TensorView q16 = read(q, staged_q), k16 = read(k, staged_k), v16 = read(v, staged_v), out16 = narrowed(out, staged_out);
  const Heads shape{heads, q.shape[2] / heads, scale, causal};
  if (!attend_fused(*this, q16, k16, v16, shape, out16)) Products(*this, q16, k16, v16, shape, out16).run();
  if (staged_out.data() != nullptr) convert_columns(*this, out16, out);
}

}  // namespace impasto
