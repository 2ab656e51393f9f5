// What apply_infotext leaves as it was, and says so.
#include <gtest/gtest.h>

#include "impasto/metadata.h"

namespace impasto {
namespace {

std::vector<std::string> apply(const std::string& fields, InpaintOptions& options, const NamedBeside& beside = {}) {
  return apply_infotext(parse_infotext("x\nSteps: 4, Sampler: Euler, CFG scale: 7, " + fields + ", Version: impasto 1"), options, beside);
}

TEST(InfotextWarnings, ValuesThatAreNotUnderstoodAreNotUsedInPart) {
  InpaintOptions o;
  EXPECT_EQ(
      apply("Seed: abc, Variation seed: x, Size: 64xabc, Clip skip: 0, CFG Rescale: nan, Target size: 8x, Denoising strength: inf, Hires upscale: 2",
            o)
          .size(),
      7u);
  EXPECT_EQ(o.seed, std::nullopt);
  EXPECT_EQ(o.variation_seed, std::nullopt);
  EXPECT_EQ(o.width, 0);
  EXPECT_EQ(o.clip_skip, 0);
  EXPECT_EQ(o.guidance_rescale, 0);
  EXPECT_EQ(o.hires->strength, Hires().strength);
  EXPECT_FALSE(o.micro_conditions.target_size);
  EXPECT_EQ(apply("ControlNet 0: \"Module: none, Model: a, Weight: 0.3, Guidance Start: x, Guidance End: 1\"", o, {.controlnets = true}).size(), 1u);
  EXPECT_EQ(o.controls.at(0).scale, 1);
}

TEST(InfotextWarnings, FieldsThatChangeAPictureAndAreNotSupportedAreTold) {
  for (const std::string field :
       {"Hires sampler: Euler a", "Hires prompt: a dog", "Hires CFG Scale: 3", "Tiling: True", "Hypernet: ink", "Face restoration: CodeFormer",
        "ENSD: 31337", "Eta: 0.4", "Seed resize from: 512x512", "Masked content: latent noise"}) {
    InpaintOptions o;
    const auto warnings = apply(field, o);
    ASSERT_EQ(warnings.size(), 1u) << field;
    EXPECT_NE(warnings[0].find('"' + field + '"'), std::string::npos) << warnings[0];
  }
  InpaintOptions o;
  EXPECT_TRUE(apply("Tiling: False, Hires CFG Scale: 0, Hires sampler: Use same sampler", o).empty());
  EXPECT_EQ(apply("Size: 128x128, Hires resize: 192x256", o).size(), 1u);
  EXPECT_TRUE(apply("Size: 128x128, Hires resize: 192x192", o).empty());
}

TEST(InfotextWarnings, WhatIsNamedBesideNeedsNoWarning) {
  InpaintOptions o;
  EXPECT_EQ(apply("Denoising strength: 0.5", o).size(), 1u);
  EXPECT_TRUE(apply("Denoising strength: 0.5", o, {.image = true}).empty());
  EXPECT_EQ(apply("Denoising strength: 0.5, Mask blur: 4", o, {.image = true}).size(), 1u);
  EXPECT_TRUE(apply("Denoising strength: 0.5, Mask blur: 4", o, {.image = true, .mask = true}).empty());
  EXPECT_TRUE(apply("Denoising strength: 0.5, Hires upscale: 2", o).empty());
  EXPECT_EQ(apply("Refiner: r, Refiner switch at: 0.8", o).size(), 1u);
  EXPECT_TRUE(apply("Refiner: r, Refiner switch at: 0.8", o, {.refiner = true}).empty());
  EXPECT_TRUE(apply_infotext(parse_infotext("x\nSteps: 4, Sampler: Euler, CFG scale: 7"), o, {.prompt_syntax = true}).empty());
}

}  // namespace
}  // namespace impasto
