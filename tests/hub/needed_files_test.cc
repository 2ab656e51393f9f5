#include "hub/needed_files.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace impasto {
namespace {

using Files = std::set<std::string>;

/// A repository as they are published: full and half weights, pickled twins, single files, pictures, a safety checker.
Files published() {
  return {"README.md",
          "v1-5-pruned.ckpt",
          "v1-5-pruned-emaonly.safetensors",
          "model_index.json",
          "feature_extractor/preprocessor_config.json",
          "safety_checker/config.json",
          "safety_checker/model.safetensors",
          "scheduler/scheduler_config.json",
          "text_encoder/config.json",
          "text_encoder/model.safetensors",
          "text_encoder/model.fp16.safetensors",
          "text_encoder/pytorch_model.bin",
          "tokenizer/vocab.json",
          "tokenizer/merges.txt",
          "tokenizer/special_tokens_map.json",
          "tokenizer/tokenizer_config.json",
          "unet/config.json",
          "unet/diffusion_pytorch_model.safetensors",
          "unet/diffusion_pytorch_model.fp16.safetensors",
          "unet/diffusion_pytorch_model.non_ema.safetensors",
          "unet/diffusion_pytorch_model.bin",
          "vae/config.json",
          "vae/diffusion_pytorch_model.safetensors",
          "vae/diffusion_pytorch_model.fp16.safetensors"};
}

std::set<std::string> chosen(const Files& all, const std::string& variant = "") {
  const auto files = needed_files(all, variant, "org/name");
  const std::set<std::string> set(files.begin(), files.end());
  EXPECT_EQ(set.size(), files.size()) << "nothing twice";
  return set;
}

const Files kSmall = {"model_index.json",     "scheduler/scheduler_config.json",   "text_encoder/config.json",        "tokenizer/vocab.json",
                      "tokenizer/merges.txt", "tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json", "unet/config.json",
                      "vae/config.json"};

Files with(Files files, const Files& more) {
  files.insert(more.begin(), more.end());
  return files;
}

TEST(NeededFiles, AreOneCopyOfTheWeightsAndTheConfigs) {
  EXPECT_EQ(chosen(published()),
            with(kSmall, {"text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"}));
}

TEST(NeededFiles, OfAVariantAreItsWeights) {
  EXPECT_EQ(chosen(published(), "fp16"), with(kSmall, {"text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
                                                       "vae/diffusion_pytorch_model.fp16.safetensors"}));
  Files partly = published();
  partly.erase("vae/diffusion_pytorch_model.fp16.safetensors");
  EXPECT_TRUE(chosen(partly, "fp16").contains("vae/diffusion_pytorch_model.safetensors"));
}

TEST(NeededFiles, OfAnAdapterAreItsFile) {
  EXPECT_EQ(chosen({"README.md", "pytorch_lora_weights.bin", "pytorch_lora_weights.safetensors", "image_0.png"}),
            Files{"pytorch_lora_weights.safetensors"});
  EXPECT_EQ(chosen({"learned_embeds.bin", "token_identifier.txt", "concept_images/0.jpeg"}), Files{"learned_embeds.bin"});
  EXPECT_EQ(chosen({"config.json", "pytorch_lora_weights.safetensors"}), Files{"pytorch_lora_weights.safetensors"});
  EXPECT_ERROR(needed_files({"styles/pytorch_lora_weights.safetensors"}, "", "org/name"), not_found, "ORG/NAME/FILE",
               "styles/pytorch_lora_weights.safetensors");
}

TEST(NeededFiles, WhatMakesAModelCompleteComesLast) { EXPECT_EQ(needed_files(published(), "", "x").back(), "model_index.json"); }

TEST(NeededFiles, HalfWeightsServeWhereThereAreNoOthers) {
  Files half = published();
  for (const char* path : {"text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"})
    half.erase(path);
  EXPECT_TRUE(chosen(half).contains("unet/diffusion_pytorch_model.fp16.safetensors"));
}

TEST(NeededFiles, ShardsComeWithTheirIndexOrNotAtAll) {
  Files all = published();
  all.erase("unet/diffusion_pytorch_model.safetensors");
  all.erase("unet/diffusion_pytorch_model.fp16.safetensors");
  const std::string stem = "unet/diffusion_pytorch_model";
  const Files shards = {stem + "-00001-of-00002.safetensors", stem + "-00002-of-00002.safetensors", stem + ".safetensors.index.json"};
  const Files sharded = chosen(with(all, shards));
  EXPECT_TRUE(std::includes(sharded.begin(), sharded.end(), shards.begin(), shards.end()));
  for (const auto& missing : shards) {
    Files cut = with(all, shards);
    cut.erase(missing);
    EXPECT_TRUE(chosen(cut).contains("unet/diffusion_pytorch_model.bin"));
    cut.erase("unet/diffusion_pytorch_model.bin");
    EXPECT_ERROR(chosen(cut), not_found, "org/name", "unet/diffusion_pytorch_model.safetensors");
  }
  const Files half = {stem + ".fp16-00001-of-00001.safetensors", stem + ".safetensors.index.fp16.json"};
  EXPECT_TRUE(chosen(with(all, half), "fp16").contains(stem + ".fp16-00001-of-00001.safetensors"));
}

TEST(NeededFiles, PicklesServeWhereThereIsNothingElse) {
  Files all = published();
  for (const auto& path : published()) {
    if (path.ends_with(".safetensors")) all.erase(path);
  }
  all.insert("vae/diffusion_pytorch_model.fp16.bin");
  const Files pickles = {"text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.fp16.bin"};
  EXPECT_EQ(chosen(all), with(kSmall, pickles));
  all.insert("vae/diffusion_pytorch_model.bin");
  EXPECT_TRUE(chosen(all, "fp16").contains("vae/diffusion_pytorch_model.fp16.bin"));
  EXPECT_FALSE(chosen(all).contains("vae/diffusion_pytorch_model.fp16.bin"));
  all.insert("vae/diffusion_pytorch_model.safetensors");
  EXPECT_FALSE(chosen(all).contains("vae/diffusion_pytorch_model.bin"));
}

TEST(NeededFiles, EachThatIsMissingIsNamed) {
  for (const std::string path : {"unet/config.json", "tokenizer/vocab.json", "scheduler/scheduler_config.json"}) {
    Files all = published();
    all.erase(path);
    EXPECT_ERROR(chosen(all), not_found, path);
  }
}

TEST(NeededFiles, OtherModelsAreRefusedBeforeTheyAreFetched) {
  EXPECT_ERROR(chosen(with(published(), {"text_encoder_3/config.json"})), unsupported, "text_encoder_3");
  EXPECT_ERROR(chosen(with(published(), {"text_encoder_2/config.json", "transformer/config.json"})), unsupported, "transformer");
  EXPECT_ERROR(chosen({"README.md"}), unsupported, "model_index.json");
  EXPECT_ERROR(chosen({}), unsupported, "model_index.json");
}

TEST(NeededFiles, OfTwoTextEncodersAreBothWithTheirTokenizers) {
  const Files second{"text_encoder_2/config.json", "text_encoder_2/model.safetensors", "tokenizer_2/vocab.json", "tokenizer_2/merges.txt"};
  const std::set<std::string> one = chosen(published());
  EXPECT_EQ(chosen(with(published(), second)), with({one.begin(), one.end()}, second));
  Files without = with(published(), second);
  without.erase("tokenizer_2/merges.txt");
  EXPECT_ERROR(chosen(without), not_found, "tokenizer_2/merges.txt");
  Files refiner = second;
  for (const std::string& path : one)
    if (!path.starts_with("text_encoder/") && !path.starts_with("tokenizer/")) refiner.insert(path);
  EXPECT_EQ(chosen(refiner), std::set<std::string>(refiner.begin(), refiner.end()));
}

TEST(NeededFiles, OfSingleFilesTheUserChooses) {
  EXPECT_ERROR(chosen({"README.md", "a.safetensors", "b.ckpt"}), not_found, "a.safetensors, b.ckpt", "ORG/NAME/FILE");
}

TEST(NeededFiles, OfAComponentAreConfigAndWeights) {
  EXPECT_EQ(chosen({"config.json", "pytorch_model.bin", "pytorch_model.fp16.bin"}), (Files{"config.json", "pytorch_model.bin"}));
  EXPECT_EQ(chosen({"config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "x.ckpt"}),
            (Files{"config.json", "diffusion_pytorch_model.safetensors"}));
}

TEST(NeededFiles, VariantsThatCouldNotBeLoadedAreRefused) {
  EXPECT_ERROR(chosen(published(), "non_ema"), unsupported, "non_ema", "fp16");
  Files full = published();
  for (const char* path :
       {"text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors"})
    full.erase(path);
  EXPECT_ERROR(chosen(full, "fp16"), not_found, "fp16");
}

}  // namespace
}  // namespace impasto
