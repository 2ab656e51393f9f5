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
  std::string cpu;    ///< the processor's name
  std::string isa;    ///< the instructions that the kernels use: "avx2", ...
  std::string dtype;  ///< of the products' factors
  int threads = 0;
  int width = 0;
  int height = 0;
  /// What all threads reach in a loop of nothing but float32 multiply-adds, 1e9 operations a second.
  double fma_peak_gflops = 0;
  /// The same with factors of `dtype`.
  double product_peak_gflops = 0;
  BenchmarkStage text_encode;  ///< prompt and negative prompt
  BenchmarkStage unet_step;    ///< guided: both halves
  BenchmarkStage vae_decode;   ///< one picture
  std::int64_t peak_rss_bytes = 0;
};

/// Loads the checkpoint and measures it. Throws as Pipeline::load and Pipeline::text_to_image do.
IMPASTO_API BenchmarkReport benchmark(const std::string& path, const LoadOptions& load = {}, const BenchmarkOptions& options = {});

}  // namespace impasto
