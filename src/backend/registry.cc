#include "backend/registry.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference_backend.h"
#include "core/fail.h"

namespace impasto {

Backend& backend_for(const std::string& device, DType arithmetic) {
  // Never destroyed: tensors of a caller's static objects may outlive main.
  static Backend& cpu = *new CpuBackend;
  static Backend& cpu_bfloat16 = *new CpuBackend(DType::bfloat16);
  static Backend& reference = *make_reference_backend().release();
  if (device == "auto" || device == "cpu") {
    if (arithmetic == DType::float32) return cpu;
    if (arithmetic == DType::bfloat16) return cpu_bfloat16;
  }
  if (device == "reference" && arithmetic == DType::float32) return reference;
  if (device == "auto" || device == "cpu" || device == "reference")
    fail(ErrorKind::unsupported, "device \"", device, "\" does not compute in ", to_string(arithmetic), "; use \"cpu\" with float32 or bfloat16");
  fail(ErrorKind::unsupported, "device \"", device, "\" is not available in this build: use \"auto\" or \"cpu\"");
}

}  // namespace impasto
