// Options checked at the door, and what follows from them.
#pragma once

#include <memory>

#include "impasto/pipeline.h"
#include "pipelines/checkpoint.h"
#include "pipelines/placement.h"
#include "schedulers/scheduler.h"

namespace impasto {

/// The options with the model's own size filled in, num_images that of all prompts together, and lists of prompts one for each image or empty; seeds
/// and size go to the result. Throws invalid_argument naming the option, its value
/// and what is allowed, or out_of_memory when the activations would not fit in what the host or a network's device has left.
TextToImageOptions checked(const TextToImageOptions& options, const Checkpoint& checkpoint, const Placement& placement, TextToImageResult& result);

/// Throws unsupported for an inpainting model, which draws nothing without a picture and a mask.
void require_ordinary_model(const Checkpoint& checkpoint);

/// Throws what checked() and scheduler_for() throw.
void require_drawable(const TextToImageOptions& options, const Checkpoint& checkpoint, const Placement& placement);

/// The timestep where a share of the walk from noise to a picture is done, of those that the model was trained at.
double timestep_at(double share, const Checkpoint& checkpoint);

/// Behind the last step that is run, an index into the scheduler's timesteps: where denoising_end is, or all of them.
int end_step(const Scheduler& scheduler, const TextToImageOptions& options, const Checkpoint& checkpoint);

/// Throws invalid_argument where denoising_end leaves nothing of a walk from step `first` to `end`.
void require_walk(int first, int end, const TextToImageOptions& options);

/// The scheduler asked for, its timesteps set; its name goes to the result.
std::unique_ptr<Scheduler> scheduler_for(const TextToImageOptions& options, const Checkpoint& checkpoint, TextToImageResult& result);

}  // namespace impasto
