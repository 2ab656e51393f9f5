// What a pipeline holds: after its first steps a loop takes no more memory from the system, and networks can take turns.
#include "backend/cpu/cpu_backend.h"
#include "backend/registry.h"
#include "core/threads.h"
#include "impasto/pipeline.h"
#include "pipelines/component.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
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
  Backend& backend = backend_for("cpu", dtype == "float32" ? DType::float32 : dtype == "float16" ? DType::float16 : DType::bfloat16);
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

INSTANTIATE_TEST_SUITE_P(DType, MemoryPlan, ::testing::Values("float32", "bfloat16", "float16"),
                         [](const auto& info) { return std::string(info.param); });

TEST(LowMemory, DrawsTheSamePicturesEveryTime) {
  TextToImageOptions options;
  options.prompt = "a boat at sunset";
  options.num_inference_steps = 2;
  options.seed = 7;
  const auto expected = Pipeline::load(test_checkpoint("tiny-sd15")).text_to_image(options);
  for (bool map_weights : {false, true}) {
    const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), {.map_weights = map_weights, .low_memory = true});
    for (int call = 0; call < 2; ++call) EXPECT_EQ(pipeline.text_to_image(options).images[0].pixels, expected.images[0].pixels) << call;
  }
}

TEST(LowMemory, TellsWhatIsMissingWhenItLoads) {
  const CheckpointCopy copy("tiny-sd15");
  copy.edit("unet/config.json", {{"layers_per_block", 3}});
  EXPECT_ERROR(Pipeline::load(copy.path(), {.low_memory = true}), bad_file, "down_blocks.0.resnets.2", "missing");
}

TEST(Component, IsBuiltOnceAndKeptOrSharedWhileInUse) {
  int built = 0;
  Backend &cpu = backend_for("cpu"), &reference = backend_for("reference");
  const auto build = [&](Backend&) { return std::make_shared<const int>(++built); };
  const Component<int> kept(Keep::always, cpu, build);
  EXPECT_EQ(*kept.get(), 1);
  EXPECT_EQ(*kept.get(), 1);
  const Component<int> lent(Keep::in_use, cpu, build);
  {
    const auto first = lent.get(), second = lent.get();
    EXPECT_EQ(*first, 2);
    EXPECT_EQ(first, second);
  }
  EXPECT_EQ(*lent.get(), 3) << "given back, so built anew";
  kept.let_go();
  EXPECT_EQ(*kept.get(), 4) << "let go, so built anew";
  EXPECT_EQ(*kept.on(cpu).get(), 4) << "it is there already";
  EXPECT_EQ(*kept.on(reference).get(), 5);
  EXPECT_EQ(&kept.on(reference).backend(), &reference);
}

}  // namespace
}  // namespace impasto::test
