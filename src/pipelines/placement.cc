#include "pipelines/placement.h"

#include <array>
#include <optional>

#include "backend/registry.h"
#include "core/fail.h"
#include "core/guard.h"
#include "core/threads.h"

namespace impasto {
namespace {

constexpr std::array<std::string_view, 3> kPlaced = {"unet", "text_encoder", "vae"};
using Each = std::array<std::string, kPlaced.size()>;

std::optional<DType> arithmetic_named(const std::string& name) {
  if (name == "auto") return {};
  for (const DType type : {DType::float32, DType::float16, DType::bfloat16})
    if (name == to_string(type)) return type;
  fail(ErrorKind::unsupported, "dtype \"", name,
       "\" is not supported; use \"auto\", \"float16\" or \"bfloat16\", or \"float32\" on a CPU (files may hold any of them)");
}

/// What an option says of each network. Of "cuda", the same for all; of "unet=cuda,vae=cpu", "auto" for those that are not named.
Each each_of(const char* option, const std::string& text, const char* example) {
  Each each;
  if (text.find('=') == std::string::npos) {
    each.fill(text);
    return each;
  }
  each.fill("auto");
  std::array<bool, kPlaced.size()> named{};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    std::size_t i = 0;
    while (i < kPlaced.size() && part.substr(0, equals) != kPlaced[i]) ++i;
    if (equals == std::string::npos || i == kPlaced.size() || named[i] || equals + 1 == part.size())
      fail(ErrorKind::invalid_argument, option, " \"", text, "\": \"", part, "\" should be one of unet=, text_encoder= and vae=, each once, with a ",
           option, " behind it, as in \"", example, "\"");
    named[i] = true;
    each[i] = part.substr(equals + 1);
    begin = end + 1;
  }
  return each;
}

void apply_threads(const LoadOptions& options) {
  if (options.num_threads < 0 || options.num_threads > 4096)
    fail(ErrorKind::invalid_argument, "num_threads is ", options.num_threads, ", allowed is 0 to 4096");
  if (options.num_threads > 0) set_num_threads(options.num_threads);
}

}  // namespace

Placement placement(const LoadOptions& options) {
  const Each devices = each_of("device", options.device, "unet=cuda,vae=cpu"), dtypes = each_of("dtype", options.dtype, "unet=bfloat16,vae=float32");
  const auto backend = [&](std::size_t i) -> Backend& { return backend_for(devices[i], arithmetic_named(dtypes[i])); };
  const Placement placed{backend(0), backend(1), backend(2)};
  apply_threads(options);
  return placed;
}

Backend& chosen_backend(const LoadOptions& options) {
  if (options.device.find('=') != std::string::npos)
    fail(ErrorKind::invalid_argument, "device \"", options.device, "\" names several; one device for everything is what is asked for here");
  Backend& backend = backend_for(options.device, arithmetic_named(options.dtype));
  apply_threads(options);
  return backend;
}

Device find_device(const std::string& device, const std::string& dtype) {
  return guarded([&] {
    const std::optional<DType> arithmetic = arithmetic_named(dtype);
    const Backend& backend = chosen_backend({.device = device, .dtype = dtype});
    return Device{device_name(device, arithmetic), to_string(arithmetic.value_or(backend.feature_type()))};
  });
}

}  // namespace impasto
