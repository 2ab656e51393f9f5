// Draws once and writes the final latents, for compare_latents.py:
//   draw_latents MODEL PROMPT NEGATIVE STEPS GUIDANCE SEED WIDTH HEIGHT SCHEDULER THREADS FILE     (SCHEDULER may be "")
// FILE holds the shape, four int64, and then the float32 values, as they lie in memory.
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "impasto/impasto.h"

int main(int argc, char** argv) {
  if (argc != 12) return 2;
  try {
    impasto::TextToImageOptions options;
    options.prompt = argv[2];
    options.negative_prompt = argv[3];
    options.num_inference_steps = std::stoi(argv[4]);
    options.guidance_scale = std::stof(argv[5]);
    options.seed = std::stoull(argv[6]);
    options.width = std::stoi(argv[7]);
    options.height = std::stoi(argv[8]);
    options.scheduler = argv[9];
    const auto pipeline = impasto::Pipeline::load(argv[1], {.num_threads = std::stoi(argv[10])});
    const impasto::HostTensor latents = pipeline.text_to_image(options).latents;
    std::ofstream file(argv[11], std::ios::binary);
    file.write(reinterpret_cast<const char*>(latents.shape.data()), static_cast<std::streamsize>(latents.shape.size() * sizeof(std::int64_t)));
    file.write(reinterpret_cast<const char*>(latents.values.data()), static_cast<std::streamsize>(latents.values.size() * sizeof(float)));
    return file.flush() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
