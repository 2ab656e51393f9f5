#include "backend/cuda/libraries.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "backend/cuda/check.h"

namespace impasto {
namespace {

using Clock = std::chrono::steady_clock;

/// Building plans at run time takes cuDNN anything from milliseconds to seconds. A shape gets this long; less when there were many, since somebody
/// waits for a first picture.
constexpr std::chrono::milliseconds kSearchTime{500}, kShortSearchTime{100}, kPatience{4000};

/// Holds a stream back until opened, but not for long: what was to open it may wait for the stream.
struct Gate {
  std::atomic<bool> open{false};
  static void CUDART_CB wait(void* gate) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(5);
    while (!static_cast<Gate*>(gate)->open.load() && Clock::now() < deadline) std::this_thread::yield();
  }
};

class Event {
 public:
  Event() { require_cuda(cudaEventCreate(&event_), "creating an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// cuDNN's refusals are pages long.
std::string line(const std::string& what, std::string description) {
  constexpr std::size_t kLongest = 400;
  if (description.size() > kLongest) description.replace(kLongest, std::string::npos, " ...");
  std::replace(description.begin(), description.end(), '\n', ' ');
  return what + ": " + description;
}

/// All that choices depend on, beside their keys.
std::string identity_of(int device) {
  cudaDeviceProp p{};
  require_cuda(cudaGetDeviceProperties(&p, device), "describing the device");
  return concat(p.name, ", sm_", p.major, p.minor, ", ", p.multiProcessorCount, " multiprocessors, cuBLASLt ", cublasLtGetVersion(), ", cuDNN ",
                cudnnGetVersion());
}

void require_dnn(cudnnStatus_t status, const char* doing) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  fail(status == CUDNN_STATUS_ALLOC_FAILED ? ErrorKind::out_of_memory : ErrorKind::internal, "cuDNN, ", doing, ": ", cudnnGetErrorString(status));
}

}  // namespace

CudaLibraries::CudaLibraries(int device_index) : plans(plan_folder(), identity_of(device_index)), device_(device_index) {
  const char* tune = std::getenv("IMPASTO_CUDA_TUNE");
  tunes_ = tune == nullptr || std::strcmp(tune, "0") != 0;
  require_cuda(cudaSetDevice(device_), "choosing the device");
  const cublasStatus_t status = cublasLtCreate(&blas_);
  if (status != CUBLAS_STATUS_SUCCESS) {
    fail(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::out_of_memory : ErrorKind::internal,
         "cuBLASLt, creating a handle: ", cublasLtGetStatusString(status));
  }
}

CudaLibraries::~CudaLibraries() {
  cudaSetDevice(device_);
  convolutions.clear();
  attentions.clear();
  if (dnn_ != nullptr) cudnnDestroy(dnn_);
  if (blas_ != nullptr) cublasLtDestroy(blas_);
}

cudnnHandle_t CudaLibraries::dnn(cudaStream_t stream) {
  if (dnn_ == nullptr) require_dnn(cudnnCreate(&dnn_), "creating a handle");
  require_dnn(cudnnSetStream(dnn_, stream), "choosing the stream");
  return dnn_;
}

bool CudaLibraries::may_time(cudaStream_t stream) const {
  if (!tunes_) return false;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  require_cuda(cudaStreamIsCapturing(stream, &status), "asking whether a stream is captured");
  return status == cudaStreamCaptureStatusNone;
}

std::vector<std::string> CudaLibraries::plan_report() const {
  std::vector<std::string> lines;
  {
    const std::scoped_lock lock(blas_mutex);
    for (const auto& [key, plan] : products) lines.push_back(line(key.to_string(), plan.description));
    for (const auto& [key, choice] : pieces) lines.push_back(line(key.to_string(), choice.description));
  }
  const std::scoped_lock lock(dnn_mutex);
  for (const auto& [shape, plan] : convolutions) lines.push_back(line(shape.to_string(), plan.description));
  for (const auto& [shape, choice] : fusions) lines.push_back(line(shape.to_string() + ", as a whole", choice.description));
  for (const auto& [shape, plan] : attentions) lines.push_back(line(shape.to_string(), plan.description));
  return lines;
}

std::string ProductKey::to_string() const {
  return concat("product ", impasto::to_string(type), " to ", impasto::to_string(out_type), " ", batches == 1 ? "" : concat(batches, " x "), m, " x ",
                n, " x ", k, bias ? ", bias" : "",
                in_place   ? ", residual in place"
                : residual ? ", residual"
                           : "");
}

std::string ProductKey::plan_key() const {
  return concat("product ", impasto::to_string(type), ' ', impasto::to_string(out_type), ' ', m, ' ', n, ' ', k, ' ', batches, ", strides ", x_stride,
                ' ', w_stride, ' ', out_stride, ' ', residual_stride, ' ', x_batch, ' ', w_batch, ' ', out_batch, ", alignments ", x_alignment, ' ',
                w_alignment, ' ', out_alignment, ' ', residual_alignment, ", ", w_by_k, ' ', bias, ' ', residual, ' ', in_place);
}

std::string PiecesKey::to_string() const {
  return concat("gated layer ", impasto::to_string(type), " to ", impasto::to_string(out_type), " ", rows, " x ", columns, " x ", depth);
}

std::string PiecesKey::plan_key() const {
  return concat("pieces ", impasto::to_string(type), ' ', impasto::to_string(sums_type), ' ', impasto::to_string(out_type), ' ', rows, ' ', columns,
                ' ', depth, ", strides ", x_stride, ' ', out_stride, ", alignments ", x_alignment, ' ', out_alignment, ", ", bias, ' ', residual);
}

namespace cuda {

void require_blas(cublasStatus_t status, const char* doing, const ProductKey& key) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::out_of_memory : ErrorKind::internal, "cuBLASLt, ", doing, ", ", key.to_string(), ": ",
       cublasLtGetStatusString(status));
}

namespace {

/// Milliseconds of a call, `samples` times: each is the mean of `calls`, or of one, behind a memory fill, with `spoiler`.
std::vector<double> take_samples(CudaBackend& backend, int samples, int calls, const std::optional<Scratch>& spoiler, std::size_t spoiler_bytes,
                                 const std::function<void()>& call) {
  const cudaStream_t stream = backend.stream();
  const std::vector<Event> events(static_cast<std::size_t>(samples) * 2);
  Gate gate;  // outlives the wait for what was queued behind it
  struct Opened {
    Gate& gate;
    cudaStream_t stream;
    ~Opened() {
      gate.open = true;
      cudaStreamSynchronize(stream);
    }
  };
  {
    const Opened opened{gate, stream};
    require_cuda(cudaLaunchHostFunc(stream, Gate::wait, &gate), "timing");
    for (std::size_t i = 0; i < events.size(); i += 2) {
      if (spoiler) require_cuda(cudaMemsetAsync(spoiler->data(), 0, spoiler_bytes, stream), "timing");
      require_cuda(cudaEventRecord(events[i], stream), "timing");
      for (int k = 0; k < calls; ++k) call();
      require_cuda(cudaEventRecord(events[i + 1], stream), "timing");
    }
  }
  std::vector<double> milliseconds;
  for (std::size_t i = 0; i < events.size(); i += 2) {
    require_cuda(cudaEventSynchronize(events[i + 1]), "timing");
    float elapsed = 0;
    require_cuda(cudaEventElapsedTime(&elapsed, events[i], events[i + 1]), "timing");
    milliseconds.push_back(static_cast<double>(elapsed) / calls);
  }
  return milliseconds;
}

}  // namespace

double time_calls(CudaBackend& backend, const Timing& timing, const std::function<void()>& call) {
  constexpr int kMostSamples = 9, kMostCalls = 8;
  constexpr double kTime = 6, kSampleTime = 0.04, kHopeless = 1.4;  // milliseconds; times the best
  std::optional<Scratch> spoiler;
  int spoiler_bytes = 0;
  if (timing.cold) {
    require_cuda(cudaDeviceGetAttribute(&spoiler_bytes, cudaDevAttrL2CacheSize, backend.index()), "describing the device");
    try {
      if (spoiler_bytes > 0) spoiler.emplace(backend, static_cast<std::size_t>(spoiler_bytes));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::out_of_memory) throw;  // then without
    }
  }
  const auto take = [&](int samples, int calls) {
    std::vector<double> all = take_samples(backend, samples, calls, spoiler, static_cast<std::size_t>(spoiler_bytes), call);
    std::sort(all.begin(), all.end());
    return all;
  };
  call();
  require_cuda(cudaStreamSynchronize(backend.stream()), "timing");
  const double rough = std::max(take(2, 1).front(), 1e-3);
  const int samples = static_cast<int>(std::min(kTime / rough, static_cast<double>(kMostSamples)));
  if (samples < 3 || (timing.best != 0 && rough > timing.best * kHopeless)) return rough;
  const int calls = spoiler ? 1 : static_cast<int>(std::clamp(kSampleTime / rough, 1.0, static_cast<double>(kMostCalls)));
  const std::vector<double> all = take(samples, calls);
  return all[all.size() / 2];
}

void execute(CudaBackend& backend, const CudnnGraph& graph, int plan, std::span<void* const> operands) {
  const Workspace workspace(backend, graph.workspace_bytes(plan));
  graph.execute(backend.libraries().dnn(backend.stream()), plan, operands, workspace.data());
}

namespace {

/// Whether the device can run it, which a plan's building does not prove.
bool runs(CudaBackend& backend, const CudnnGraph& graph, int plan, std::span<void* const> operands) {
  try {
    execute(backend, graph, plan, operands);
    require_cuda(cudaStreamSynchronize(backend.stream()), "trying a plan");
    return true;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::internal || cudaStreamSynchronize(backend.stream()) != cudaSuccess) throw;
    return false;  // refused, and the device is well
  }
}

bool take_kept_plan(CudaBackend& backend, GraphPlan& choice, const Search& search, std::span<void* const> operands) {
  const auto kept = backend.libraries().plans.find(search.key);
  if (!kept || kept->index >= choice.graph->plans() || plan_text(choice.graph->plan_name(kept->index)) != kept->name) return false;
  if (!choice.graph->build(kept->index) || (search.timed && !runs(backend, *choice.graph, kept->index, operands))) return false;
  choice.plan = kept->index;
  choice.settled = true;
  choice.description = concat("plan ", choice.plan, " of ", choice.graph->plans(), ", ", kept->name, ", as before");
  return true;
}

}  // namespace

void choose_plan(CudaBackend& backend, GraphPlan& choice, const Search& search, std::span<void* const> operands) {
  if (take_kept_plan(backend, choice, search, operands)) return;
  CudaLibraries& libraries = backend.libraries();
  double best = 0;
  int built = 0;
  const auto begin = Clock::now();
  const auto deadline = begin + (libraries.spent < kPatience ? kSearchTime : kShortSearchTime);
  for (int plan = 0; plan < choice.graph->plans() && built < search.candidates; ++plan) {
    if (built != 0 && Clock::now() > deadline) break;
    if (!choice.graph->build(plan)) continue;
    double milliseconds = 0;
    if (search.timed) {
      if (!runs(backend, *choice.graph, plan, operands)) continue;
      milliseconds = time_calls(backend, {search.cold, best}, [&] { execute(backend, *choice.graph, plan, operands); });
    }
    if (built == 0 || is_faster(milliseconds, best)) {
      choice.plan = plan;
      best = milliseconds;
    }
    ++built;
    if (!search.timed) break;
  }
  libraries.spent += Clock::now() - begin;
  choice.settled = search.timed;
  if (built == 0) {
    choice.graph = nullptr;
    choice.settled = true;
    choice.description = "none of cuDNN's plans can be built";
    return;
  }
  const std::string name = choice.graph->plan_name(choice.plan);
  choice.description = concat("plan ", choice.plan, " of ", choice.graph->plans(), ", ", name);
  if (!search.timed) return;
  choice.description += concat(", the best of ", built, ", ", best, " ms");
  libraries.plans.put(search.key, choice.plan, name);
}

}  // namespace cuda
}  // namespace impasto
