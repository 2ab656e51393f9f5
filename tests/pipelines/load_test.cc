#include <fstream>

#include "impasto/pipeline.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

constexpr const char* kUnetWeights = "unet/diffusion_pytorch_model.safetensors";

TEST(Load, DescribesTheModel) {
  const ModelInfo info = inspect(test_checkpoint("tiny-sd21"));
  EXPECT_EQ(info.pipeline_class, "StableDiffusionPipeline");
  EXPECT_EQ(info.scheduler, "DDIMScheduler");
  EXPECT_EQ(info.prediction_type, "v_prediction");
  EXPECT_EQ(info.latent_channels, 4);
  ASSERT_EQ(info.components.size(), 3u);
  for (const ComponentInfo& c : info.components) {
    EXPECT_GT(c.parameters, 1000) << c.name;
    ASSERT_EQ(c.dtypes.size(), 1u) << c.name;
    EXPECT_EQ(c.bytes, c.parameters * (c.dtypes[0] == "float32" ? 4 : 2)) << c.name;
  }
}

TEST(Load, NamesWhatIsMissing) {
  EXPECT_ERROR(Pipeline::load("/no/such/model"), not_found, "/no/such/model");
  EXPECT_ERROR(Pipeline::load(test_checkpoint("tiny-sd15") + "/model_index.json"), bad_file, "is JSON, not weights");
  EXPECT_ERROR(Pipeline::load(test_checkpoint("tiny-sd15") + "/unet"), not_found, "model_index.json");
  for (const char* file : {"model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json",
                           "tokenizer/vocab.json", "tokenizer/merges.txt", kUnetWeights, "text_encoder/model.safetensors"}) {
    const CheckpointCopy copy("tiny-sd15");
    copy.remove(file);
    EXPECT_ERROR(Pipeline::load(copy.path()), not_found, std::filesystem::path(file).stem().string());
  }
}

TEST(Load, NamesTheFileThatSaysWhatIsNotKnown) {
  const CheckpointCopy copy("tiny-sd15");
  copy.edit("model_index.json", {{"vae", {"diffusers", "UNet2DConditionModel"}}});
  EXPECT_ERROR(Pipeline::load(copy.path()), unsupported, copy.path("model_index.json"), "component \"vae\" has class UNet2DConditionModel");
  const CheckpointCopy other("tiny-sd15");
  other.edit("scheduler/scheduler_config.json", {{"_class_name", "NoneOfOurs"}});
  EXPECT_ERROR(Pipeline::load(other.path()).text_to_image({}), unsupported, other.path("scheduler/scheduler_config.json"), "scheduler \"NoneOfOurs\"",
               "--scheduler NAME");
  const CheckpointCopy without("tiny-sd15");
  without.remove("tokenizer/merges.txt");
  EXPECT_ERROR(Pipeline::load(without.path()), not_found, "tokenizer/merges.txt: no such file", "--tokenizer DIR");
  without.overwrite("tokenizer/merges.txt", "");
  without.overwrite("tokenizer/vocab.json", R"({"a": 7})");
  EXPECT_ERROR(Pipeline::load(without.path()), bad_file, "vocab.json", "has id 7, expected 0 to 0");
}

TEST(Load, RefusesDamagedFilesByName) {
  for (const char* file : {"model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", kUnetWeights}) {
    for (const std::uintmax_t bytes : {0, 5, 60}) {
      const CheckpointCopy copy("tiny-sd15");
      copy.truncate(file, bytes);
      EXPECT_ERROR(Pipeline::load(copy.path()), bad_file, std::filesystem::path(file).filename().string());
    }
  }
  const CheckpointCopy copy("tiny-sd15");
  copy.truncate(kUnetWeights, std::filesystem::file_size(copy.path(kUnetWeights)) - 1);
  EXPECT_ERROR(Pipeline::load(copy.path()), bad_file, "diffusion_pytorch_model.safetensors");
}

TEST(Load, NamesTensorsThatDoNotFitTheConfig) {
  const auto with_unet = [](const Json& changes) {
    const CheckpointCopy copy("tiny-sd15");
    copy.edit("unet/config.json", changes);
    Pipeline::load(copy.path());
  };
  EXPECT_ERROR(with_unet({{"layers_per_block", 3}}), bad_file, "down_blocks.0.resnets.2", "missing");
  EXPECT_ERROR(with_unet({{"block_out_channels", {32, 32, 32, 32}}}), bad_file, "has shape", "config asks for");
  EXPECT_ERROR(with_unet({{"cross_attention_dim", 40}}), bad_file, "hidden_size", "40");
  EXPECT_ERROR(with_unet({{"in_channels", 7}}), bad_file, "takes 7", "inpainting model takes 9");
  EXPECT_ERROR(with_unet({{"in_channels", 9}}), bad_file, "conv_in.weight", "[8, 9, 3, 3]");  // an inpainting model's, but not its weights
}

TEST(Load, RefusesUnknownClassesByName) {
  const auto with = [](const char* file, const Json& changes) {
    const CheckpointCopy copy("tiny-sd15");
    copy.edit(file, changes);
    Pipeline::load(copy.path());
  };
  EXPECT_ERROR(with("model_index.json", {{"_class_name", "FluxPipeline"}}), unsupported, "FluxPipeline");
  EXPECT_ERROR(with("model_index.json", {{"unet", {"diffusers", "FluxTransformer2DModel"}}}), unsupported, "FluxTransformer2DModel");
  EXPECT_ERROR(with("model_index.json", {{"vae", nullptr}}), bad_file, "vae");
  EXPECT_ERROR(with("model_index.json", {{"vae", "AutoencoderKL"}}), bad_file, "vae");
}

TEST(Load, RefusesDevicesDtypesAndThreadsItDoesNotHave) {
  const std::string path = test_checkpoint("tiny-sd15");
  EXPECT_ERROR(Pipeline::load(path, {.device = "tpu"}), unsupported, "tpu");
  EXPECT_ERROR(Pipeline::load(path, {.dtype = "int4"}), unsupported, "int4");
  EXPECT_ERROR(Pipeline::load(path, {.num_threads = -1}), invalid_argument, "num_threads");
}

TEST(Load, StopsWhenAsked) {
  EXPECT_ERROR(Pipeline::load(test_checkpoint("tiny-sd15"), {.should_stop = [] { return true; }}), cancelled, "cancelled");
}

}  // namespace
}  // namespace impasto::test
