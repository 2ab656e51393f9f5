// The sampler of a diffusion process: which noise levels to visit, and how to get from one to the next.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/fail.h"
#include "core/json.h"
#include "impasto/pipeline.h"
#include "ops/tensor.h"
#include "schedulers/noise_level.h"
#include "schedulers/prediction.h"
#include "schedulers/sigmas.h"

namespace impasto {

/// Standard normal noise of a shape, from the call's generators, in the order asked for.
using NoiseSource = std::function<Tensor(const Shape&)>;

/// Settings of one call of step(), beside the scheduler's own config.
struct StepOptions {
  double eta = 0;                   ///< noise of DDIM, gamma of TCD; 0..1
  double s_churn = 0, s_noise = 1;  ///< Euler: noise added before each step (Karras et al., 2022, algorithm 2)
  int order = 4;                    ///< LMS: outputs taken into account, 1..4
};

/// One walk from noise to a picture. Objects hold the walk's state (history, position), so each call of a pipeline makes its own.
/// Latents may have any shape whose first dimension counts images; all math is float32, elementwise.
///
/// Use:  s->set_timesteps(n);  x = noise * s->init_noise_sigma();
///       for (i = 0; i < s->timesteps().size(); ++i)
///         x = s->step(unet(s->scale_model_input(x, i), s->timesteps()[i]), i, x, noise_source);
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Comes before all else and begins a new walk. Throws invalid_argument when n is out of range for this scheduler.
  virtual void set_timesteps(int num_inference_steps) = 0;
  /// The same over a caller's own path, of which one is given: `timesteps`, or `sigmas` with the level that the walk ends at. Throws unsupported
  /// where this scheduler takes no such path, invalid_argument for one that does not go strictly down within the training's range.
  virtual void set_path(const SigmaPath& path);
  /// What the UNet is called with, in order; some schedulers visit a timestep twice.
  const std::vector<double>& timesteps() const { return timesteps_; }
  /// Network calls per step of `set_timesteps`, so that a walk may begin at any multiple of it (img2img). PNDM's extra calls do not count.
  virtual int order() const { return 1; }
  /// How the levels are spread: as asked for, where this scheduler knows how.
  virtual SigmaSpread::Kind spread() const { return SigmaSpread::Kind::trained; }
  virtual double init_noise_sigma() const { return 1.0; }
  virtual Tensor scale_model_input(const Tensor& sample, int step) const { return scale_to_unit(level(step), sample); }
  /// The latents after step i, from the UNet's output at timesteps()[i].
  virtual Tensor step(const Tensor& model_output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) = 0;
  /// What the network's output at step i takes the latents to be without noise; no limits of the config's are applied.
  virtual Tensor predicted_clean(PredictionType type, const Tensor& model_output, int step, const Tensor& sample) const {
    return predict_clean(type, level(step), model_output, sample);
  }
  /// Clean latents brought to the noise level of step i (img2img).
  Tensor add_noise(const Tensor& clean, const Tensor& noise, int step) const { return impasto::add_noise(level(step), clean, noise); }
  /// Noise levels as sigma / alpha, where the algorithm works with them (Karras et al., 2022), with the last after them; empty otherwise.
  const std::vector<double>& sigmas() const { return sigmas_; }

 protected:
  /// Of the latents that step i starts from.
  virtual NoiseLevel level(int step) const = 0;

  double sigma(int i) const { return at(sigmas_, i); }
  int whole_timestep(int step) const { return static_cast<int>(at(timesteps_, step)); }
  bool is_last(int step) const { return static_cast<std::size_t>(step) + 1 == timesteps_.size(); }

  std::vector<double> timesteps_, sigmas_;

 private:
  static double at(const std::vector<double>& values, int i) {
    IMPASTO_CHECK(i >= 0 && static_cast<std::size_t>(i) < values.size());
    return values[static_cast<std::size_t>(i)];
  }
};

/// From scheduler_config.json, by class name: `class_name` wins over the config's own "_class_name". Whatever find_scheduler() knows is accepted, a
/// schedule in it too; short names tell more than class names where a class draws in two ways (dpm++_2m, dpm++_2m_sde).
/// Fields that belong to other schedulers are ignored, as diffusers' from_config does. Throws unsupported, listing what there is, or
/// bad_file for a field out of range.
std::unique_ptr<Scheduler> make_scheduler(const JsonObject& config, const std::string& class_name = {});

/// The class name that `name` (of any kind) stands for; throws unsupported.
std::string scheduler_class_name(const std::string& name);

}  // namespace impasto
