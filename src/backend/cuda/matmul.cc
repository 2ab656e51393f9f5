// Products by cuBLASLt. Row-major out [m, n] = x . w^T is column-major out^T [n, m] = w . x^T: the library's A is w, its B is x.
#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/libraries.h"
#include "backend/cuda/products.h"

namespace impasto {
namespace cuda {
namespace {

constexpr std::size_t kWorkspaceLimit = std::size_t{32} << 20;

cudaDataType_t type_of(DType type) {
  switch (type) {
    case DType::float16: return CUDA_R_16F;
    case DType::bfloat16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
  }
}

ProductKey key_of(const Product& p) {
  const auto in = static_cast<std::int64_t>(size_of(p.type)), out = static_cast<std::int64_t>(size_of(p.out_type));
  ProductKey key{.type = p.type, .out_type = p.out_type, .m = p.m, .n = p.n, .k = p.k, .batches = p.batches};
  key.x_stride = p.x_stride, key.w_stride = p.w_stride, key.out_stride = p.out_stride;
  key.x_alignment = alignment_of(p.x), key.w_alignment = alignment_of(p.w), key.out_alignment = alignment_of(p.out);
  if (p.batches > 1) {
    key.x_batch = p.x_batch, key.w_batch = p.w_batch, key.out_batch = p.out_batch;
    key.x_alignment = alignment_of(p.x, p.x_batch * in), key.w_alignment = alignment_of(p.w, p.w_batch * in);
    key.out_alignment = alignment_of(p.out, p.out_batch * out);
  }
  key.w_by_k = p.w_by_k, key.bias = p.bias != nullptr, key.residual = p.residual != nullptr, key.in_place = p.residual == p.out;
  key.residual_stride = key.residual ? p.residual_stride : p.out_stride;
  key.residual_alignment = key.residual ? alignment_of(p.residual) : key.out_alignment;
  return key;
}

/// The descriptors of one product; on the host only.
class Call {
 public:
  Call(const Product& p, const ProductKey& key) : p_(p), key_(key) {
    check(cublasLtMatmulDescInit(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, static_cast<std::int32_t>(p.w_by_k ? CUBLAS_OP_N : CUBLAS_OP_T));
    set(CUBLASLT_MATMUL_DESC_TRANSB, static_cast<std::int32_t>(CUBLAS_OP_N));
    if (p.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(CUBLASLT_EPILOGUE_BIAS));
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(type_of(p.out_type)));
    }
    layout(a_, p.type, p.w_by_k ? p.n : p.k, p.w_by_k ? p.k : p.n, p.w_stride, p.w_batch);
    layout(b_, p.type, p.k, p.m, p.x_stride, p.x_batch);
    layout(c_, p.out_type, p.n, p.m, key.residual_stride, p.out_batch);
    layout(d_, p.out_type, p.n, p.m, p.out_stride, p.out_batch);
  }

  /// Best guess first; may be empty.
  std::vector<cublasLtMatmulHeuristicResult_t> candidates(cublasLtHandle_t handle) {
    constexpr int kCandidates = 16;
    cublasLtMatmulPreferenceOpaque_t preference;
    check(cublasLtMatmulPreferenceInit(&preference));
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(kWorkspaceLimit));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key_.w_alignment));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key_.x_alignment));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key_.residual_alignment));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key_.out_alignment));
    std::array<cublasLtMatmulHeuristicResult_t, kCandidates> found{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, &operation_, &a_, &b_, &c_, &d_, &preference, kCandidates, found.data(), &count);
    std::vector<cublasLtMatmulHeuristicResult_t> usable;
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return usable;
    check(status);
    std::copy_if(found.begin(), found.begin() + count, std::back_inserter(usable), [](const auto& c) { return c.state == CUBLAS_STATUS_SUCCESS; });
    return usable;
  }

  /// `out` is the product's, or as large a place elsewhere.
  cublasStatus_t run(CudaBackend& backend, const cublasLtMatmulAlgo_t& algorithm, std::size_t workspace_bytes, void* out) {
    const Workspace workspace(backend, workspace_bytes);
    const float beta = p_.residual != nullptr ? 1.0F : 0.0F;
    const void* c = p_.residual != nullptr ? p_.residual : out;
    return cublasLtMatmul(backend.libraries().blas(), &operation_, &p_.alpha, p_.w, &a_, p_.x, &b_, &beta, c, &c_, out, &d_, &algorithm,
                          workspace.data(), workspace_bytes, backend.stream());
  }

 private:
  void check(cublasStatus_t status) const { require_blas(status, "describing a product", key_); }
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(&operation_, attribute, &value, sizeof(value)));
  }
  /// Columns of `rows` elements, `stride` apart.
  void layout(cublasLtMatrixLayoutOpaque_t& layout, DType type, std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int64_t batch) {
    check(cublasLtMatrixLayoutInit(&layout, type_of(type), static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), stride));
    if (p_.batches == 1) return;
    const auto count = static_cast<std::int32_t>(p_.batches);
    check(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
    check(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch, sizeof(batch)));
  }

  const Product& p_;
  const ProductKey& key_;
  cublasLtMatmulDescOpaque_t operation_{};
  cublasLtMatrixLayoutOpaque_t a_{}, b_{}, c_{}, d_{};
};

/// What tells an algorithm from another.
std::string name_of(const cublasLtMatmulAlgo_t& algorithm) {
  std::string name = "algorithm";
  for (const cublasLtMatmulAlgoConfigAttributes_t attribute :
       {CUBLASLT_ALGO_CONFIG_ID, CUBLASLT_ALGO_CONFIG_TILE_ID, CUBLASLT_ALGO_CONFIG_STAGES_ID, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
        CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION,
        CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID}) {
    std::uint32_t value = 0;  // the last two have 16 bits
    std::size_t written = 0;
    const bool known = cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), &written) == CUBLAS_STATUS_SUCCESS ||
                       cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, 2, &written) == CUBLAS_STATUS_SUCCESS;
    name += known ? ' ' + std::to_string(value) : " -";
  }
  return name;
}

/// The place of the fastest, and its milliseconds.
std::pair<std::size_t, double> time_candidates(CudaBackend& backend, const Product& p, Call& call,
                                               const std::vector<cublasLtMatmulHeuristicResult_t>& candidates) {
  constexpr std::chrono::milliseconds kSearchTime{300};
  // Adding to out more than once would spoil it.
  const Scratch elsewhere(backend, p.residual == p.out ? static_cast<std::size_t>(p.m * p.out_stride) * size_of(p.out_type) : 0);
  void* out = elsewhere.data() != nullptr ? elsewhere.data() : p.out;
  const bool cold = p.batches == 1 && p.n > p.m;
  const auto deadline = std::chrono::steady_clock::now() + kSearchTime;
  std::size_t chosen = 0;
  double best = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (best != 0 && std::chrono::steady_clock::now() > deadline) break;
    const auto run = [&] { return call.run(backend, candidates[i].algo, candidates[i].workspaceSize, out); };
    if (run() != CUBLAS_STATUS_SUCCESS) continue;
    const double milliseconds = time_calls(backend, {cold, best}, run);
    if (!is_faster(milliseconds, best)) continue;
    best = milliseconds;
    chosen = i;
  }
  return {chosen, best};
}

ProductPlan choose(CudaBackend& backend, const Product& p, const ProductKey& key, Call& call, bool timed) {
  CudaLibraries& libraries = backend.libraries();
  const auto candidates = call.candidates(libraries.blas());
  ProductPlan plan;
  plan.settled = timed || candidates.size() <= 1;
  plan.description = "no algorithm";
  if (candidates.empty()) return plan;
  const auto take = [&](std::size_t i) {
    plan.chosen = {candidates[i].algo, candidates[i].workspaceSize};
    plan.description = concat(name_of(candidates[i].algo), ", ", i, " of ", candidates.size());
  };
  take(0);
  if (candidates.size() == 1) return plan;
  const std::string text = key.plan_key();
  if (const auto kept = libraries.plans.find(text)) {
    const auto i = static_cast<std::size_t>(kept->index);
    if (i < candidates.size() && name_of(candidates[i].algo) == kept->name) {
      take(i);
      plan.settled = true;
      plan.description += ", as before";
      return plan;
    }
  }
  if (!timed) return plan;
  const auto [chosen, milliseconds] = time_candidates(backend, p, call, candidates);
  take(chosen);
  plan.description += concat(", ", milliseconds, " ms");
  if (milliseconds != 0) libraries.plans.put(text, static_cast<int>(chosen), name_of(candidates[chosen].algo));
  return plan;
}

}  // namespace

bool multiply(CudaBackend& backend, const Product& p) {
  if (p.m == 0 || p.n == 0 || p.batches == 0) return true;
  const ProductKey key = key_of(p);
  Call call(p, key);
  CudaLibraries& libraries = backend.libraries();
  const auto algorithm = [&]() -> std::optional<ProductAlgorithm> {
    const bool timed = libraries.may_time(backend.stream());
    const std::scoped_lock lock(libraries.blas_mutex);
    ProductPlan& kept = libraries.products[key];
    if (kept.description.empty() || (timed && !kept.settled)) {
      kept = choose(backend, p, key, call, timed);
    } else {
      libraries.plans.write_if_due();
    }
    return kept.chosen;
  }();
  if (!algorithm) return false;
  require_blas(call.run(backend, algorithm->algorithm, algorithm->workspace_bytes, p.out), "multiplying", key);
  return true;
}

double time_square_product(CudaBackend& backend, std::int64_t side) {
  const auto bytes = static_cast<std::size_t>(side * side) * 2;
  const Scratch x(backend, bytes), w(backend, bytes), out(backend, bytes);
  const cudaStream_t stream = backend.stream();
  for (const Scratch* factor : {&x, &w}) require_cuda(cudaMemsetAsync(factor->data(), 0x2A, bytes, stream), "filling memory");
  Product p{.m = side, .n = side, .k = side, .type = backend.feature_type(), .out_type = backend.feature_type()};
  p.x = x.data(), p.w = w.data(), p.out = out.data();
  p.x_stride = p.w_stride = p.out_stride = side;
  const double milliseconds = time_calls(backend, {}, [&] { IMPASTO_CHECK(multiply(backend, p)); });
  return 2.0 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side) / (milliseconds * 1e6);
}

}  // namespace cuda
}  // namespace impasto
