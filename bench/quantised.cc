// What packing a model's weights costs: its file, the time to open it, and how far its pictures lie from those of the model that it was made of:
//     bench_quantised TOKENIZER SIDE STEPS MODEL FILE...
// draws the same prompts and seeds with all. Latents: the root mean square of the difference over that of MODEL's. Pictures: PSNR over all of them.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "impasto/error.h"
#include "impasto/pipeline.h"

namespace {

constexpr const char* kPrompts[] = {"a red boat on the sea", "a small house beside a lake at night", "a tree in the style of Van Gogh",
                                    "a blue circle"};

struct Drawn {
  std::vector<float> latents;
  std::vector<std::uint8_t> pixels;
  double load = 0, draw = 0;  // s, the latter of a picture
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Drawn draw(const std::string& model, const std::string& tokenizer, int side, int steps) {
  Drawn drawn;
  const double begin = now();
  const impasto::Pipeline pipeline = impasto::Pipeline::load(model, {.parts = {.tokenizer = tokenizer}});
  drawn.load = now() - begin;
  for (const char* prompt : kPrompts) {
    impasto::TextToImageOptions options;
    options.prompt = prompt;
    options.width = options.height = side;
    options.num_inference_steps = steps;
    options.seed = 7;
    const double start = now();
    const impasto::TextToImageResult result = pipeline.text_to_image(options);
    drawn.draw += (now() - start) / std::size(kPrompts);
    drawn.latents.insert(drawn.latents.end(), result.latents.values.begin(), result.latents.values.end());
    drawn.pixels.insert(drawn.pixels.end(), result.images[0].pixels.begin(), result.images[0].pixels.end());
  }
  return drawn;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2), size += std::pow(static_cast<double>(b[i]), 2);
  return std::sqrt(difference / size);
}

double psnr(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / sum);
}

std::uintmax_t bytes_of(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return std::filesystem::file_size(path);
  std::uintmax_t bytes = 0;
  for (const char* part : {"unet", "vae", "text_encoder"})
    for (const auto& file : std::filesystem::directory_iterator(path + "/" + part)) bytes += file.file_size();
  return bytes;
}

void run(const std::string& tokenizer, int side, int steps, const std::vector<std::string>& models) {
  std::printf("%10s %8s %12s %9s %9s\n", "MB", "load, s", "a picture, s", "latents", "PSNR, dB");
  Drawn reference;
  for (const std::string& model : models) {
    const Drawn drawn = draw(model, tokenizer, side, steps);
    if (reference.pixels.empty()) reference = drawn;
    std::printf("%10.1f %8.2f %12.2f %9.4f %9.2f  %s\n", static_cast<double>(bytes_of(model)) / 1e6, drawn.load, drawn.draw,
                relative_error(drawn.latents, reference.latents), psnr(drawn.pixels, reference.pixels), model.c_str());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return std::fputs("usage: bench_quantised TOKENIZER SIDE STEPS MODEL FILE...\n", stderr), 2;
  try {
    run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]), {argv + 4, argv + argc});
  } catch (const impasto::Error& error) {
    return std::fprintf(stderr, "bench_quantised: %s\n", error.what()), 1;
  }
  return 0;
}
