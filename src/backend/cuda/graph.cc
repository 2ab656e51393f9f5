#include "backend/cuda/graph.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"

namespace impasto {
namespace {

thread_local const Capture* current_capture = nullptr;

}  // namespace

Capture::Capture(CudaBackend& backend_, cudaStream_t stream_, CudaArena& arena_) : backend(backend_), stream(stream_), arena(arena_) {
  IMPASTO_CHECK(current_capture == nullptr);
  current_capture = this;
}
Capture::~Capture() { current_capture = nullptr; }

const Capture* Capture::of(const CudaBackend& backend) {
  return current_capture != nullptr && &current_capture->backend == &backend ? current_capture : nullptr;
}

/// A graph, and the memory that its operations use between them, which is nobody else's: it is overwritten at every replay.
class CudaRecording final : public Recording {
 public:
  CudaRecording(CudaBackend& backend, const std::function<void()>& calls) : backend_(backend), arena_(backend.index(), /*lasting=*/true) {
    backend.stream();
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    require_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    try {
      const Capture capture(backend, stream, arena_);
      // Relaxed: allocations are no part of the graph.
      require_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "beginning a graph");
      calls();
      require_cuda(cudaStreamEndCapture(stream, &graph), "ending a graph");
      require_cuda(cudaGraphInstantiate(&exec_, graph, 0), "instantiating a graph");
    } catch (...) {
      cudaGraph_t broken = nullptr;
      if (graph == nullptr) cudaStreamEndCapture(stream, &broken);
      if (broken != nullptr) cudaGraphDestroy(broken);
      if (graph != nullptr) cudaGraphDestroy(graph);
      cudaStreamDestroy(stream);
      cudaGetLastError();
      throw;
    }
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
  }

  ~CudaRecording() override {
    cudaStreamSynchronize(backend_.stream());
    cudaGraphExecDestroy(exec_);
  }

  void replay() override { require_cuda(cudaGraphLaunch(exec_, backend_.stream()), "launching a graph"); }

 private:
  CudaBackend& backend_;
  CudaArena arena_;
  cudaGraphExec_t exec_ = nullptr;
};

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& calls) { return std::make_unique<CudaRecording>(*this, calls); }

}  // namespace impasto
