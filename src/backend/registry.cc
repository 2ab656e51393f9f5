#include "backend/registry.h"

#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference_backend.h"
#include "backend/cuda/cuda.h"
#include "core/fail.h"

namespace impasto {
namespace {

constexpr const char* kCuda = "cuda";
constexpr int kMostDevices = 1024;

/// The index in "cuda" or "cuda:1"; nothing for other names.
std::optional<int> cuda_index(const std::string& device) {
  if (device == kCuda) return 0;
  const std::string prefix = std::string(kCuda) + ":";
  if (!device.starts_with(prefix)) return {};
  int index = -1;
  const char* const end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + prefix.size(), end, index);
  if (error != std::errc() || stop != end || index < 0 || index >= kMostDevices)
    fail(ErrorKind::invalid_argument, "device \"", device, "\": behind \"cuda:\" stands the number of a GPU, counted from 0");
  return index;
}

[[noreturn]] void refuse_arithmetic(const std::string& device, DType arithmetic, const char* allowed) {
  fail(ErrorKind::unsupported, "device \"", device, "\" does not compute in ", to_string(arithmetic), "; use ", allowed);
}

Backend& cuda_backend(const std::string& device, int index, DType features) {
  if (features != DType::float16 && features != DType::bfloat16) refuse_arithmetic(device, features, "float16 or bfloat16, or device \"cpu\"");
  static std::mutex mutex;
  static auto& backends = *new std::map<std::pair<int, DType>, std::unique_ptr<Backend>>;
  const std::scoped_lock lock(mutex);
  std::unique_ptr<Backend>& backend = backends[{index, features}];
  if (!backend) backend = make_cuda_backend(index, features);
  return *backend;
}

}  // namespace

std::string best_device(std::optional<DType> arithmetic) {
  if (const char* chosen = std::getenv("IMPASTO_DEVICE"); chosen != nullptr && *chosen != '\0' && std::string(chosen) != "auto") return chosen;
  if (arithmetic == DType::float32) return "cpu";
  static const std::optional<int> cuda = first_usable_cuda_device();
  return !cuda ? "cpu" : *cuda == 0 ? kCuda : concat(kCuda, ":", *cuda);
}

std::string device_name(const std::string& device, std::optional<DType> arithmetic) {
  const std::string name = device == "auto" ? best_device(arithmetic) : device;
  return name == kCuda ? name + ":0" : name;
}

Backend& backend_for(const std::string& name, std::optional<DType> arithmetic) {
  // Never destroyed: tensors of a caller's static objects may outlive main.
  static Backend& cpu = *new CpuBackend;
  static Backend &cpu_bfloat16 = *new CpuBackend(DType::bfloat16), &cpu_float16 = *new CpuBackend(DType::float16);
  static Backend& reference = *make_reference_backend().release();
  const std::string device = name == "auto" ? best_device(arithmetic) : name;
  if (const std::optional<int> index = cuda_index(device)) return cuda_backend(device, *index, arithmetic.value_or(DType::float16));
  const DType type = arithmetic.value_or(DType::float32);
  if (device == "cpu") {
    if (type == DType::float32) return cpu;
    if (type == DType::bfloat16) return cpu_bfloat16;
    if (type == DType::float16) return cpu_float16;
    refuse_arithmetic(device, type, "float32, bfloat16 or float16");
  }
  if (device == "reference") {
    if (type == DType::float32) return reference;
    refuse_arithmetic(device, type, "float32");
  }
  fail(ErrorKind::unsupported, "there is no device \"", device, "\"", name == device ? "" : ", which the environment variable IMPASTO_DEVICE names",
       ": use \"auto\", \"cpu\" or \"cuda\" (\"cuda:1\" for the second of several GPUs)");
}

}  // namespace impasto
