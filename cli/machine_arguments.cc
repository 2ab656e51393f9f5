#include "cli/machine_arguments.h"

#include "cli/arguments.h"

namespace impasto::cli {

void add_machine(CLI::App& app, std::string& model, LoadOptions& load) {
  auto* folder = app.add_option(
      "-m,--model", model,
      "Checkpoint folder in the diffusers layout, or ORG/NAME of a model on the Hub (default: $IMPASTO_MODEL, else the built-in model)");
  folder->type_name("MODEL");
  auto* device = app.add_option("--device", load.device, "Where to compute: auto, cpu (default auto)")->type_name("NAME");
  auto* dtype =
      app.add_option("--dtype", load.dtype, "Arithmetic: auto, float32, bfloat16 (faster where the CPU has AVX-512 BF16; default auto: float32)");
  dtype->type_name("NAME");
  auto* threads = add_integer(app, "-t,--threads", load.num_threads, "Threads; never changes the picture (default: one per core)");
  auto* mapped = app.add_flag("--mmap", load.map_weights, "Use the weights where the files are mapped, not a copy in memory: processes share them");
  auto* low = app.add_flag("--low-memory", load.low_memory, "Hold one network at a time, read when it is needed");
  for (auto* option : {folder, device, dtype, threads, mapped, low}) option->group("Model and machine");
}

}  // namespace impasto::cli
