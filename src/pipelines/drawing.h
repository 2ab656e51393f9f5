// What all tasks share: a call's state, the loop over noise levels, and the pictures at its end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "core/flush_denormals.h"
#include "impasto/pipeline.h"
#include "pipelines/guided_unet.h"
#include "pipelines/linear_decoder.h"
#include "pipelines/networks.h"
#include "pipelines/noise.h"
#include "schedulers/scheduler.h"

namespace impasto {

/// Seconds since it was made or last read.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Where a task enters the loop, and what it does inside.
struct Walk {
  Tensor latents;          ///< [n, h, w, 4], at the noise level of step `first_step`
  int first_step = 0;      ///< index into the scheduler's timesteps
  Tensor more_input = {};  ///< [n, h, w, c]: channels that the UNet sees beside the latents; empty for none
  /// Of a picture in more_input that is to be edited: how closely to keep to it.
  std::optional<float> picture_guidance = {};
  /// Called with the latents after step i; what it returns goes on. Empty: they go on as they are.
  std::function<Tensor(const Tensor& latents, int step)> after_step = {};
  int steps_before = 0, steps_after = 0;  ///< of other walks of the same call, for who counts
};

/// One call of a pipeline, from checked options to pictures. A task makes one, prepares a Walk, and calls denoise() and finish().
class Drawing {
 public:
  /// Checks the options, makes the scheduler and encodes the prompts. Throws as Pipeline::text_to_image says.
  Drawing(const Networks& networks, const TextToImageOptions& options);

  const Networks& networks() const { return net_; }
  const TextToImageOptions& options() const { return options_; }  ///< checked, the size filled in
  const Scheduler& scheduler() const { return *scheduler_; }
  TextToImageResult& result() { return result_; }
  LatentNoise& noise() { return noise_; }
  Stopwatch& watch() { return watch_; }
  Shape latent_shape() const;  ///< [n, h, w, 4]

  /// Standard normal: the caller's latents where there are some, else drawn.
  Tensor first_noise();
  /// Walks to the last noise level. Throws cancelled and non_finite.
  Tensor denoise(const Walk& walk);
  /// What latents [n, h, w, 4] decode to. The UNet is put away: nothing can be denoised afterwards.
  std::vector<Image> decode(const Tensor& latents);
  /// The result, with the pictures that the latents decode to unless the caller does not want them.
  TextToImageResult finish(const Tensor& latents);

 private:
  void report_step(int step, int end, const Walk& walk, const Tensor& latents, const std::function<Tensor()>& clean);
  std::vector<Image> preview(const Tensor& clean, PreviewMethod method);
  Image decode(const VaeDecoder& decoder, const VaeConfig& vae, const Tensor& latents) const;

  const FlushDenormals flush_;
  const Networks& net_;
  Stopwatch watch_;
  TextToImageResult result_;
  const TextToImageOptions options_;
  const std::unique_ptr<Scheduler> scheduler_;
  const PredictionType prediction_type_;
  LatentNoise noise_;
  std::optional<GuidedUNet> unet_;       // until the pictures are decoded
  std::optional<LinearDecoder> linear_;  // from the first preview on that wants it
};

}  // namespace impasto
