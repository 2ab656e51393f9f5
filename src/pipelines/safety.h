// What becomes of pictures that the safety checker flags.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/networks.h"

namespace impasto {

/// Throws invalid_argument where the model has no safety checker, saying how to come by one.
void require_safety_checker(const Checkpoint& checkpoint);

/// The result, its pictures looked at and treated as the policy says. Without pictures there is nothing to look at. Throws cancelled, and what
/// building the checker throws.
TextToImageResult made_safe(const Networks& networks, SafetyPolicy policy, TextToImageResult result);

}  // namespace impasto
