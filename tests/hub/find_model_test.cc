// Models by name in a cache that is laid out as huggingface_hub does.
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "impasto/hub.h"
#include "impasto/pipeline.h"
#include "support/environment.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

const std::string kCommit(40, 'c');

class FindModel : public ::testing::Test {
 protected:
  void SetUp() override {
    variables_.set("HF_HOME", home_.path().c_str());
    repository_ = home_ / "hub/models--org--tiny";
    snapshot_ = repository_ + "/snapshots/" + kCommit;
    const fs::path source = test::test_checkpoint("tiny-sd15");
    int blob = 0;
    fs::create_directories(repository_ + "/blobs");
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      if (!entry.is_regular_file()) continue;
      const std::string name = "blob" + std::to_string(blob++);
      fs::copy_file(entry.path(), repository_ + "/blobs/" + name);
      const fs::path place = fs::path(snapshot_) / entry.path().lexically_relative(source);
      fs::create_directories(place.parent_path());
      fs::create_symlink(fs::path(repository_ + "/blobs/" + name).lexically_relative(place.parent_path()), place);
    }
    home_.write("hub/models--org--tiny/refs/main", kCommit);
  }

  test::NoHubVariables variables_;
  test::TemporaryFolder home_;
  std::string repository_, snapshot_;
};

TEST_F(FindModel, ByBranchAndByCommit) {
  EXPECT_EQ(find_model("org/tiny"), snapshot_);
  EXPECT_EQ(find_model("org/tiny@" + kCommit), snapshot_);
  home_.write("hub/models--org--tiny/refs/refs/pr/1", kCommit + "\n");
  EXPECT_EQ(find_model("org/tiny@refs/pr/1"), snapshot_);
  EXPECT_EQ(find_model("org/tiny/unet/config.json"), snapshot_ + "/unet/config.json");
}

TEST_F(FindModel, ServesWhateverTakesAFolder) {
  EXPECT_EQ(inspect("org/tiny").path, snapshot_);
  EXPECT_EQ(Pipeline::load("org/tiny").info().path, snapshot_);
}

TEST_F(FindModel, ServesWhateverTakesANetwork) {
  const LoadOptions load{.parts = {.vae = "org/tiny", .text_encoder = "org/tiny", .tokenizer = "org/tiny"}};
  const Pipeline pipeline = Pipeline::load(test::test_checkpoint("tiny-sd15"), load);
  EXPECT_EQ(pipeline.info().tokenizer, snapshot_ + "/tokenizer");
  const std::string missing = "impasto download org/none";
  for (const ModelParts& parts : {ModelParts{.vae = "org/none"},
                                  {.text_encoder = "org/none"},
                                  {.tokenizer = "org/none"},
                                  {.preview_vae = "org/none"},
                                  {.safety_checker = "org/none"}})
    EXPECT_ERROR(inspect("org/tiny", parts), not_found, missing);
  EXPECT_ERROR(pipeline.with_controlnets({"org/none"}), not_found, missing);
  EXPECT_ERROR(pipeline.with_loras({{"org/none"}}), not_found, missing);
  EXPECT_ERROR(pipeline.with_ip_adapters({{"org/none/models/a.safetensors"}}), not_found, missing + "/models/a.safetensors");
  EXPECT_ERROR(pipeline.with_ip_adapters({{IMPASTO_TEST_DATA "/ip_adapters/plain.safetensors", "org/none"}}), not_found, missing);
}

TEST_F(FindModel, AnAdapterIsAFileOrTheOneInAFolder) {
  const test::TemporaryFolder here;
  EXPECT_ERROR(find_adapter(here.path()), not_found, here.path(), "pytorch_lora_weights.safetensors");
  const std::string words = here.write("learned_embeds.bin", "");
  EXPECT_EQ(find_adapter(here.path()), words);
  const std::string lora = here.write("pytorch_lora_weights.safetensors", "");
  EXPECT_EQ(find_adapter(here.path()), lora);
  EXPECT_EQ(find_adapter(words), words);
  EXPECT_ERROR(find_adapter("org/none"), not_found, "impasto download org/none");
  home_.write("hub/models--org--lora/refs/main", kCommit);
  const std::string cached = home_.write("hub/models--org--lora/snapshots/" + kCommit + "/pytorch_lora_weights.safetensors", "");
  EXPECT_EQ(find_adapter("org/lora"), cached);
  EXPECT_EQ(find_adapter("org/lora/pytorch_lora_weights.safetensors"), cached);
}

TEST_F(FindModel, HonoursTheVariablesThatMoveTheCache) {
  const test::TemporaryFolder other;
  variables_.set("HF_HUB_CACHE", other.path().c_str());
  EXPECT_ERROR(find_model("org/tiny"), not_found, other.path(), "impasto download org/tiny");
  variables_.set("HF_HUB_CACHE", (home_ / "hub").c_str());
  EXPECT_EQ(find_model("org/tiny"), snapshot_);
}

TEST_F(FindModel, APathOfThisDiskWins) {
  const test::TemporaryFolder here;
  fs::create_directories(here / "org/tiny");
  const fs::path before = fs::current_path();
  fs::current_path(here.path());
  EXPECT_EQ(find_model("org/tiny"), "org/tiny");
  EXPECT_FALSE(names_model_on_hub("org/tiny"));
  fs::current_path(before);
  EXPECT_TRUE(names_model_on_hub("org/tiny"));
}

TEST_F(FindModel, WhatCannotBeANameStaysAsItIs) {
  for (const std::string path : {"/no/such", "./org/tiny", "sd15", ""}) EXPECT_EQ(find_model(path), path);
  EXPECT_ERROR(inspect("/no/such"), not_found, "/no/such: no such folder");
}

TEST_F(FindModel, RevisionsThatWereNeverFetchedAreNotFound) {
  EXPECT_ERROR(find_model("org/tiny@v2"), not_found, "org/tiny@v2", "impasto download org/tiny@v2");
  EXPECT_ERROR(find_model("org/other"), not_found, "impasto download org/other");
  EXPECT_FALSE(cached_model("org/tiny@" + std::string(40, 'd')));
}

TEST_F(FindModel, AHalfModelIsNoneAndSaysWhatIsMissing) {
  fs::remove(snapshot_ + "/vae/config.json");
  EXPECT_ERROR(find_model("org/tiny"), not_found, "complete", "vae/config.json", "impasto download");
}

TEST_F(FindModel, ALinkWithoutItsBlobIsMissing) {
  fs::remove(fs::canonical(snapshot_ + "/unet/diffusion_pytorch_model.safetensors"));
  EXPECT_ERROR(find_model("org/tiny"), not_found, "unet/diffusion_pytorch_model.safetensors");
  EXPECT_FALSE(cached_model("org/tiny"));
}

TEST_F(FindModel, VariantsAreFoundOnlyWhereTheyAre) {
  EXPECT_FALSE(cached_model("org/tiny", "fp16"));
  fs::copy_file(snapshot_ + "/unet/diffusion_pytorch_model.safetensors", snapshot_ + "/unet/diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(cached_model("org/tiny", "fp16"), snapshot_);
  EXPECT_ERROR(cached_model("org/other", "fp32"), unsupported, "fp32");
}

TEST_F(FindModel, DamagedRefsAreNamed) {
  for (const std::string bad : {"", "main", "../../../etc", "ccccccccccccccccccccccccccccccccccccccccc", "\x1b[2J"}) {
    home_.write("hub/models--org--tiny/refs/main", bad);
    EXPECT_ERROR(find_model("org/tiny"), bad_file, "refs/main", "40 hexadecimal digits");
  }
}

}  // namespace
}  // namespace impasto
