// The autoencoder in squares against diffusers' enable_tiling.
#include "pipelines/tiled_vae.h"

#include "impasto/pipeline.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

VaeConfig config_of(const GoldenCase& golden) {
  VaeConfig config = VaeConfig::parse(component_config(golden.checkpoint(), "vae"));
  if (golden.settings().contains("tile_latent_min_size"))
    config.sample_size = golden.settings().at("tile_latent_min_size").get<std::int64_t>() * config.scale();
  return config;
}

TEST(TiledVae, DecodesAsDiffusers) {
  Backend& backend = backend_for("cpu");
  int cases = 0;
  for (const char* group : {"vae", "vae_tiling"})
    for (const GoldenCase& golden : golden_cases(group)) {
      if (!golden.has("latents") || (std::string(group) == "vae" && !golden.settings().contains("tile_latent_min_size"))) continue;
      const VaeConfig config = config_of(golden);
      const VaeDecoder decoder(config, component_weights(golden.checkpoint(), "vae"), backend);
      const Tensor latents = map_of(golden, "latents", backend), image = decode_in_tiles(decoder, config, latents);
      EXPECT_TRUE(map_matches(golden, "image", image));
      EXPECT_NE(image.to_host(), decoder.forward(latents).to_host()) << golden.name() << " was decoded whole";
      ++cases;
    }
  EXPECT_GE(cases, 1);
}

TEST(TiledVae, EncodesAsDiffusers) {
  Backend& backend = backend_for("cpu");
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("vae_tiling")) {
    if (!golden.has("moments")) continue;
    const VaeConfig config = config_of(golden);
    const VaeEncoder encoder(config, component_weights(golden.checkpoint(), "vae"), backend);
    EXPECT_TRUE(map_matches(golden, "moments", encode_in_tiles(encoder, config, map_of(golden, "image", backend))));
    ++cases;
  }
  EXPECT_GE(cases, 1);
}

TEST(TiledVae, DrawsALargePictureAndLeavesASmallOneAlone) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options;
  options.prompt = "a boat at sunset";
  options.num_inference_steps = 1;
  options.seed = 7;
  for (int width : {96, 136}) {
    options.width = width, options.vae_tiling = false;
    const auto whole = pipeline.text_to_image(options);
    options.vae_tiling = true;
    const auto tiled = pipeline.text_to_image(options);
    EXPECT_EQ(tiled.latents.values, whole.latents.values);
    EXPECT_EQ(tiled.images[0].pixels.size(), whole.images[0].pixels.size());
    EXPECT_EQ(tiled.images[0].pixels == whole.images[0].pixels, width == 96) << "squares have a side of 96 pixels";
  }
}

}  // namespace
}  // namespace impasto::test
