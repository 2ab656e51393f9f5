// A walk over timesteps or noise levels of the caller's, such as "Align Your Steps" (Sabour et al., 2024) tabulates.
#pragma once

#include "schedulers/sigmas.h"

namespace impasto {

/// `own` holds one of the two, which the caller sees to; the other is what the training has there. The sigmas then hold the level that the walk ends
/// at where the caller gave them. Throws invalid_argument unless they go strictly down, timesteps within the training's, sigmas from above zero to
/// zero or above, and for timesteps beside a spread, which would leave nothing of them.
SigmaPath completed(const SigmaPath& own, const TrainingSigmas& training, const SigmaSpread& spread);

/// The timesteps of `own`, cut to whole numbers, for schedulers that know no others. Throws unsupported for sigmas, invalid_argument as above.
std::vector<double> own_whole_timesteps(const SigmaPath& own, int num_train);

/// For schedulers that take timesteps, but no sigmas: throws unsupported for these.
void require_no_sigmas(const SigmaPath& own);

}  // namespace impasto
