#include "core/fail.h"
#include "core/quote.h"
#include "models/tiny_vae.h"

namespace impasto {
namespace {

std::vector<int> block_counts(const JsonObject& c, const char* key, const std::vector<int>& fallback) {
  const auto values = c.integers(key, {fallback.begin(), fallback.end()}, 0, TinyVaeConfig::kMostBlocks);
  if (values.size() != fallback.size())
    fail(ErrorKind::unsupported, c.where(), ": \"", key, "\" has ", values.size(), " levels; supported are ", fallback.size(),
         " (pictures of 8 pixels ", "for each latent)");
  return {values.begin(), values.end()};
}

}  // namespace

TinyVaeConfig TinyVaeConfig::parse(const JsonObject& c) {
  TinyVaeConfig out;
  const auto refuse = [&](const char* key) {
    fail(ErrorKind::unsupported, c.where(), ": \"", key, "\" = ", printable(c.value().at(key).dump()), " of an AutoencoderTiny is not supported");
  };
  if (c.text("act_fn", "relu") != "relu") refuse("act_fn");
  if (c.text("upsample_fn", "nearest") != "nearest") refuse("upsample_fn");
  if (c.integer("upsampling_scaling_factor", 2, 1, 64) != 2) refuse("upsampling_scaling_factor");
  for (const char* key : {"in_channels", "out_channels"})
    if (c.integer(key, 3, 1, 1 << 16) != 3) refuse(key);
  if (c.number("shift_factor", 0) != 0) refuse("shift_factor");
  for (const char* key : {"encoder_block_out_channels", "decoder_block_out_channels"}) {
    const auto channels = c.integers(key, {64, 64, 64, 64}, 1, 1 << 16);
    if (channels.empty()) refuse(key);
    if (key[0] == 'e') out.channels = channels.front();
    for (const std::int64_t width : channels)
      if (width != out.channels) refuse(key);
  }
  out.latent_channels = c.integer("latent_channels", 4, 1, 1 << 16);
  out.encoder_blocks = block_counts(c, "num_encoder_blocks", out.encoder_blocks);
  out.decoder_blocks = block_counts(c, "num_decoder_blocks", out.decoder_blocks);
  return out;
}

}  // namespace impasto
