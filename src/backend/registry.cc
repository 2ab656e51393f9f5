#include "backend/registry.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference_backend.h"
#include "core/fail.h"

namespace impasto {

Backend& backend_for(const std::string& device) {
  // Never destroyed: tensors of a caller's static objects may outlive main.
  static Backend& cpu = *new CpuBackend;
  static Backend& reference = *make_reference_backend().release();
  if (device == "auto" || device == "cpu") return cpu;
  if (device == "reference") return reference;
  fail(ErrorKind::unsupported, "device \"", device, "\" is not available in this build: use \"auto\" or \"cpu\"");
}

}  // namespace impasto
