// Where the time of drawing goes, measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "impasto/api.h"
#include "impasto/pipeline.h"

namespace impasto {

struct BenchmarkOptions {
  /// Of the picture, in pixels, multiples of 8; 0 takes the model's own.
  int height = 0;
  int width = 0;
  /// Turns that are measured, after one that warms up. 1 to 1000.
  int rounds = 3;
  /// Above 0: whole pictures of so many steps are drawn, too, as many as rounds after one that warms up. Up to 1000.
  int picture_steps = 0;
};

/// A family of operations within a stage.
struct BenchmarkFamily {
  std::string name;  ///< "linear", "convolution", "attention", "norm", "other"
  double milliseconds = 0;
  /// Work in 1e9 floating-point operations, a multiply-add counting as two and a convolution by the direct formula, whatever algorithm
  /// saves; 0 where counting makes no sense.
  double gflop = 0;
};

struct BenchmarkStage {
  std::string name;  ///< "text_encode", "unet_step", "vae_decode"
  double milliseconds = 0;
  std::vector<BenchmarkFamily> families;  ///< they add up to nearly all of it

  double gflop() const {
    double sum = 0;
    for (const BenchmarkFamily& f : families) sum += f.gflop;
    return sum;
  }
};

/// Times are medians over the rounds.
struct BenchmarkReport {
  std::string device;        ///< the processor's name, or the GPU's
  std::string instructions;  ///< that the kernels use: "avx2", "sm_90", ...
  std::string dtype;         ///< of the products' factors
  int threads = 0;           ///< of a CPU; else 0
  int width = 0;
  int height = 0;
  /// What the device reaches in nothing but multiply-adds with float32 factors (a GPU: with those of its features), 1e9 operations a second.
  double fma_peak_gflops = 0;
  /// The same with factors of `dtype`.
  double product_peak_gflops = 0;
  BenchmarkStage text_encode;       ///< prompt and negative prompt
  BenchmarkStage unet_step;         ///< guided: both halves
  BenchmarkStage vae_decode;        ///< one picture
  double picture_milliseconds = 0;  ///< from the prompt to the bytes of a PNG file; 0 where none were asked for
  std::int64_t peak_rss_bytes = 0;  ///< of the process, on the host
};

/// Loads the checkpoint and measures it. Throws as Pipeline::load and Pipeline::text_to_image do.
IMPASTO_API BenchmarkReport benchmark(const std::string& path, const LoadOptions& load = {}, const BenchmarkOptions& options = {});

}  // namespace impasto
