#include "schedulers/dpm_update.h"

#include <cmath>

#include "core/fail.h"
#include "schedulers/lambda_form.h"

namespace impasto {

namespace {

DpmAlgorithm parse(const std::string& name) {
  if (name == "dpmsolver") return DpmAlgorithm::dpmsolver;
  if (name == "sde-dpmsolver") return DpmAlgorithm::sde_dpmsolver;
  return name == "dpmsolver++" ? DpmAlgorithm::dpmsolver_plus : DpmAlgorithm::sde_dpmsolver_plus;
}

}  // namespace

DpmAlgorithm read_dpm_algorithm(const JsonObject& config, const std::vector<std::string>& known, bool ends_at_zero) {
  const std::string name = read_solver_name(config, "algorithm_type", known, {"deis"});
  if (ends_at_zero && !predicts_clean(parse(name)))
    fail(ErrorKind::unsupported, config.where(), ": algorithm_type ", name, " cannot end at zero noise; set final_sigmas_type to sigma_min");
  return parse(name);
}

// With h = lambda(to) - lambda(from), every term is a weight times one of
//   phi_1(z) = e^z - 1,   phi_1(z) / z - 1,   (phi_1(z) - z) / z^2 - 1/2,
// where z = h times the exponent of the algorithm's integrating factor. (sde-dpmsolver++ has + 1/2 in the last, which no
// series gives: diffusers has it so, and its results are what users know.)
DpmUpdate::DpmUpdate(DpmAlgorithm algorithm, const NoiseLevel& from, const NoiseLevel& to) : noise(0) {
  const double h = to.lambda() - from.lambda();
  double z = h, weight = -to.sigma, half = -0.5;
  switch (algorithm) {
    case DpmAlgorithm::dpmsolver: sample = to.alpha / from.alpha; break;
    case DpmAlgorithm::sde_dpmsolver:
      sample = to.alpha / from.alpha;
      weight = -2 * to.sigma;
      noise = to.sigma * std::sqrt(std::expm1(2 * h));
      break;
    case DpmAlgorithm::dpmsolver_plus:
      sample = to.sigma / from.sigma;
      z = -h;
      weight = -to.alpha;
      break;
    case DpmAlgorithm::sde_dpmsolver_plus:
      sample = to.sigma / from.sigma * std::exp(-h);
      z = -2 * h;
      weight = -to.alpha;
      half = 0.5;
      noise = to.sigma * std::sqrt(-std::expm1(-2 * h));
      break;
  }
  const double phi_1 = std::expm1(z);
  d0 = weight * phi_1;
  d1_midpoint = 0.5 * d0;
  d1_heun = weight * (phi_1 / z - 1);
  d2 = weight * ((phi_1 - z) / (z * z) + half);
}

}  // namespace impasto
