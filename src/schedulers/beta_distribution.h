// The beta distribution, for noise levels spaced after it.
#pragma once

namespace impasto {

/// I_x(a, b), the probability that a beta(a, b) variable is at most x; a, b > 0, x in 0..1. Relative error about 1e-14.
double regularized_incomplete_beta(double x, double a, double b);

/// The x in 0..1 with I_x(a, b) = p; p in 0..1.
double beta_quantile(double p, double a, double b);

}  // namespace impasto
