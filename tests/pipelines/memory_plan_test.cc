// After its first steps a loop takes no more memory for tensors from the system.
#include "backend/cpu/cpu_backend.h"
#include "backend/registry.h"
#include "core/threads.h"
#include "impasto/pipeline.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

/// How often the backend asked the system for memory, up to the end of each step.
std::vector<std::size_t> allocations_by_step(const Pipeline& pipeline, const BlockPool& pool, TextToImageOptions options) {
  std::vector<std::size_t> counts;
  options.prompt = "a boat at sunset";
  options.num_inference_steps = 8;
  options.seed = 7;
  options.on_step = [&](const StepInfo&) {
    counts.push_back(pool.system_allocations());
    return StepAction::proceed;
  };
  pipeline.text_to_image(options);
  return counts;
}

class MemoryPlan : public ::testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { set_num_threads(0); }
};

TEST_P(MemoryPlan, StepsAfterTheFirstOnesTakeNoMemoryFromTheSystem) {
  const std::string dtype = GetParam();
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), {.dtype = dtype});
  Backend& backend = backend_for("cpu", dtype == "float32" ? DType::float32 : DType::bfloat16);
  const BlockPool& pool = dynamic_cast<CpuBackend&>(backend).pool();
  for (int threads : {1, 2, 5})
    for (const char* scheduler : {"ddim", "pndm", "euler_a", "dpm++_2m", "unipc"}) {
      set_num_threads(threads);
      backend.release_cached_memory();
      const auto counts = allocations_by_step(pipeline, pool, {.width = 64, .num_images = 2, .scheduler = scheduler});
      // From the second step on two generations of latents exist; a multi-step scheduler's history fills during its first few.
      const std::size_t settled = std::string(scheduler) == "ddim" ? 1 : 5;
      ASSERT_GE(counts.size(), 8u);
      EXPECT_GT(counts.front(), 0u);
      EXPECT_EQ(counts.back(), counts[settled]) << scheduler << ", " << threads << " threads";
    }
}

INSTANTIATE_TEST_SUITE_P(DType, MemoryPlan, ::testing::Values("float32", "bfloat16"), [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace impasto::test
