// The text that A1111 writes into its pictures, so that its users and tools find the settings; and the way back.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "impasto/api.h"
#include "impasto/image.h"
#include "impasto/pipeline.h"

namespace impasto {

/// The value of a PNG's "parameters" chunk for image `index` of a result; of a hires fix with "Hires upscale", "Hires steps" and "Hires upscaler":
/// "prompt\nNegative prompt: ...\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512, ...".
IMPASTO_API std::string infotext(const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);
/// With "Denoising strength".
IMPASTO_API std::string infotext(const ImageToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);
/// And with "Mask mode"; "Mask blur", "Inpaint area", "Masked area padding" and our own "Keep unmasked" where they say something.
IMPASTO_API std::string infotext(const InpaintOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);

/// What the text calls a model: "v1-5" for /models/v1-5/, and the repository's name for a snapshot in the Hub's cache,
/// .../models--ORG--NAME/snapshots/COMMIT.
IMPASTO_API std::string model_name(const std::string& path);

/// Such a text taken apart, by A1111's own rules.
struct Infotext {
  std::string prompt, negative_prompt;
  std::vector<std::pair<std::string, std::string>> fields;  ///< "Steps", "20"; in the order of the text, quotes taken away

  /// Of the first field of that name; "" when there is none.
  IMPASTO_API std::string value(const std::string& key) const;
};

/// Any text is one: without at least three fields in its last line it is all prompt.
IMPASTO_API Infotext parse_infotext(const std::string& text);

/// What comes beside a text, so that apply_infotext need not warn that the text alone does not bring it back.
struct NamedBeside {
  bool image = false, mask = false, controlnets = false, ip_adapters = false, refiner = false;
  bool prompt_syntax = false;
};

/// Sets what the text speaks of, and leaves the other options as they are; prompts of other programs' pictures are read in A1111's syntax. `hires`,
/// `controls` and `ip_adapter_images` become what the text says, the latter two without their pictures, which it does not name. Returns warnings: of
/// what has to be named again and is not `beside` it, and of fields that are not understood, whose options are left as they are, or not supported.
IMPASTO_API std::vector<std::string> apply_infotext(const Infotext& text, InpaintOptions& options, const NamedBeside& beside = {});

/// The texts in a picture file, as UTF-8: a PNG's in their order; a JPEG's or WebP's EXIF user comment as "parameters", where A1111 writes it.
/// Throws as read_image does.
IMPASTO_API std::vector<TextChunk> read_image_text(const std::string& path);

}  // namespace impasto
