// Noise levels as ratios sigma / alpha, and how solvers spread them.
#pragma once

#include <optional>
#include <vector>

#include "core/json.h"
#include "schedulers/noise_schedule.h"

namespace impasto {

/// The ratio at each training timestep, ascending, and the way back from a ratio to a timestep.
class TrainingSigmas {
 public:
  explicit TrainingSigmas(const NoiseSchedule& schedule);

  double smallest() const { return sigmas_.front(); }
  double largest() const { return sigmas_.back(); }
  const std::vector<float>& values() const { return sigmas_; }

  /// Between timesteps, linearly; beyond them, the nearest.
  double at(double timestep) const;
  std::vector<double> at(const std::vector<double>& timesteps) const;
  /// Between ratios, linearly in their logarithm; beyond them, the nearest.
  double timestep(double sigma) const;
  std::vector<double> timesteps(const std::vector<double>& sigmas) const;

 private:
  std::vector<float> sigmas_, logs_;
};

/// How ratios are spread between the largest and the smallest.
class SigmaSpread {
 public:
  enum class Kind {
    trained,      ///< as they lie at the timesteps
    karras,       ///< evenly in sigma^(1/7) (Karras et al., 2022, equation 5)
    exponential,  ///< evenly in log sigma
    beta,         ///< after the beta(0.6, 0.6) distribution (Lee et al., 2024, "Beta Sampling is All You Need")
    lu,           ///< evenly in lambda, which is minus log sigma (Lu et al., 2022)
  };
  struct Knows {
    bool lu = false;      ///< use_lu_lambdas
    bool bounds = false;  ///< sigma_min and sigma_max in place of the trained bounds
  };

  SigmaSpread() = default;
  /// Reads use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas, of which one at most may be on (bad_file).
  explicit SigmaSpread(const JsonObject& config, const Knows& knows);
  explicit SigmaSpread(const JsonObject& config) : SigmaSpread(config, Knows{}) {}

  Kind kind() const { return kind_; }
  /// Whether there is something to spread.
  explicit operator bool() const { return kind_ != Kind::trained; }
  /// n ratios downwards.
  std::vector<double> between(double largest, double smallest, int n) const;

 private:
  Kind kind_ = Kind::trained;
  std::optional<double> sigma_min_, sigma_max_;
};

/// "karras", "exponential", "beta", "lu"; "" for the trained ones.
const char* to_string(SigmaSpread::Kind kind);

/// Reads final_sigmas_type: whether the walk ends at "zero" (the default) rather than at "sigma_min".
bool read_ends_at_zero(const JsonObject& config);

/// Ratios to visit, and the timesteps that the network is told.
struct SigmaPath {
  std::vector<double> timesteps, sigmas;
};

}  // namespace impasto
