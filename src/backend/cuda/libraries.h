// cuBLASLt and cuDNN: their handles, and what was found to be their best way for every shape.
#pragma once

#include <cublasLt.h>
#include <cudnn.h>

#include <bit>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cudnn_graph.h"
#include "backend/cuda/plan_cache.h"

namespace impasto {

/// What cuBLASLt's choice of an algorithm depends on.
struct ProductKey {
  DType type = DType::float16, out_type = DType::float16;
  std::int64_t m = 0, n = 0, k = 0, batches = 1;
  std::int64_t x_stride = 0, w_stride = 0, out_stride = 0, residual_stride = 0, x_batch = 0, w_batch = 0, out_batch = 0;
  int x_alignment = 0, w_alignment = 0, out_alignment = 0, residual_alignment = 0;  ///< in bytes
  bool w_by_k = false, bias = false, residual = false, in_place = false;            ///< in_place: the residual is out
  auto operator<=>(const ProductKey&) const = default;
  std::string to_string() const;
  std::string plan_key() const;  ///< all of it, for a PlanCache
};

struct ProductAlgorithm {
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;
};

struct ProductPlan {
  std::optional<ProductAlgorithm> chosen;  ///< none: there is no algorithm at all
  bool settled = false;                    ///< nothing better will be looked for
  std::string description;
};

/// A gated linear layer: a product whose sums a kernel of ours finishes.
struct PiecesKey {
  DType type = DType::float16, sums_type = DType::float16, out_type = DType::float16;
  std::int64_t rows = 0, columns = 0, depth = 0, x_stride = 0, out_stride = 0;
  int x_alignment = 0, out_alignment = 0;
  bool bias = false, residual = false;
  auto operator<=>(const PiecesKey&) const = default;
  std::string to_string() const;
  std::string plan_key() const;
};

/// In how many pieces that is done, one after the other.
struct PiecesChoice {
  int pieces = 1;
  bool settled = false;
  std::string description;
};

/// A graph and the plan of it that is run; no graph: cuDNN refused.
struct GraphPlan {
  std::unique_ptr<CudnnGraph> graph;
  int plan = -1;
  bool settled = false;
  std::string description;
  explicit operator bool() const { return graph != nullptr; }
};

/// Whether a convolution's sums are finished by cuDNN's kernel or by ours.
struct FusionChoice {
  bool fused = false, settled = false;
  std::string description;
};

/// Safe for several threads. Of the ways that a library offers, the fastest is kept where calls may be timed: on a shape's first use, unless the
/// stream is being captured or the environment has IMPASTO_CUDA_TUNE=0, which takes the library's word for it. `plans` keeps what was chosen for the
/// next process, so that it need not look for it, and computes with the same kernels.
class CudaLibraries {
 public:
  explicit CudaLibraries(int device_index);
  ~CudaLibraries();
  CudaLibraries(const CudaLibraries&) = delete;
  CudaLibraries& operator=(const CudaLibraries&) = delete;

  cublasLtHandle_t blas() const { return blas_; }
  /// cuDNN's handle, queueing on `stream`; made at the first call. For holders of dnn_mutex.
  cudnnHandle_t dnn(cudaStream_t stream);
  /// Whether calls on the stream may be timed.
  bool may_time(cudaStream_t stream) const;
  /// One line for each shape seen so far: what runs it.
  std::vector<std::string> plan_report() const;

  PlanCache plans;
  mutable std::mutex blas_mutex;
  std::map<ProductKey, ProductPlan> products;  ///< under blas_mutex, as what follows
  std::map<PiecesKey, PiecesChoice> pieces;
  mutable std::mutex dnn_mutex;
  std::map<ConvShape, GraphPlan> convolutions;  ///< under dnn_mutex, as what follows
  std::map<ConvShape, FusionChoice> fusions;    ///< by the fused graph's shape
  std::map<AttentionShape, GraphPlan> attentions;
  std::chrono::steady_clock::duration spent{};  ///< on choosing plans of graphs

 private:
  int device_;
  bool tunes_;
  cublasLtHandle_t blas_ = nullptr;
  cudnnHandle_t dnn_ = nullptr;
};

namespace cuda {

void require_blas(cublasStatus_t status, const char* doing, const ProductKey& key);

/// How a call is timed.
struct Timing {
  bool cold = false;  ///< nothing is in the L2 cache, as for weights that are larger than what they are applied to
  double best = 0;    ///< milliseconds of the best so far; what is clearly slower is not measured well
};

/// Milliseconds of a call: the median of several, after one that is not measured. The device starts when all are queued, so that the host's part is
/// not measured.
double time_calls(CudaBackend& backend, const Timing& timing, const std::function<void()>& call);

/// Whether a way that comes later in a library's list is worth leaving the best so far.
inline bool is_faster(double milliseconds, double best) { return best == 0 || milliseconds < best * 0.98; }

/// Memory for a library's own use, 256-byte aligned.
class Workspace {
 public:
  Workspace(CudaBackend& backend, std::size_t bytes) : scratch_(backend, bytes == 0 ? 0 : bytes + kAlignment) {}
  void* data() const {
    return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(scratch_.data()) + kAlignment - 1) / kAlignment * kAlignment);
  }

 private:
  static constexpr std::size_t kAlignment = 256;
  Scratch scratch_;
};

/// Runs the graph's plan. For holders of dnn_mutex.
void execute(CudaBackend& backend, const CudnnGraph& graph, int plan, std::span<void* const> operands);

/// How a plan is chosen.
struct Search {
  std::string key;     ///< the shape's, for the PlanCache
  int candidates = 1;  ///< so many plans are built at most
  bool cold = false;   ///< see Timing
  bool timed = false;  ///< else the first that can be built is taken
};

/// Builds the plan that an earlier process chose, else the fastest of `graph` on these operands. Drops a graph without any. For holders of dnn_mutex.
void choose_plan(CudaBackend& backend, GraphPlan& choice, const Search& search, std::span<void* const> operands);

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

/// The largest power of two, up to 256, that divides the address and the distance of batches in bytes.
inline int alignment_of(const void* data, std::int64_t batch_bytes = 0) {
  return 1 << std::countr_zero(reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uintptr_t>(batch_bytes) | 256u);
}

/// Whether the libraries' fast kernels take the view's rows as they are: addresses and strides are multiples of 16 bytes.
inline bool is_aligned(const TensorView& t) {
  constexpr std::uintptr_t kBytes = 16;
  return reinterpret_cast<std::uintptr_t>(t.data) % kBytes == 0 && static_cast<std::uintptr_t>(t.row_stride) * size_of(t.dtype) % kBytes == 0;
}

}  // namespace cuda
}  // namespace impasto
