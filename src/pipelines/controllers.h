// ControlNets in a call: each with the picture that it follows.
#pragma once

#include <memory>
#include <vector>

#include "impasto/pipeline.h"
#include "models/control_net.h"

namespace impasto {

struct Networks;

/// A ControlNet and its picture.
struct Controller {
  std::shared_ptr<const ControlNet> net;
  Tensor hint;  ///< ControlNet::embed()'s
  float scale = 1;
  double start = 0, stop = 1;
  bool guess_mode = false;

  /// How much it adds at step `step` of `num_steps`, as diffusers counts: nothing before its start or where the step would pass its stop.
  float scale_at(int step, int num_steps) const {
    return static_cast<double>(step) / num_steps < start || static_cast<double>(step + 1) / num_steps > stop ? 0.0f : scale;
  }
};

/// One for each of the options' controls, their pictures brought to the size that is drawn. REQUIRES: checked options.
/// Throws invalid_argument when there are not as many controls as ControlNets.
std::vector<Controller> controllers_for(const Networks& networks, const TextToImageOptions& options);

/// Of a folder in the diffusers layout. Throws not_found, bad_file, and unsupported for what is no ControlNet.
ControlNetConfig read_control_net_config(const std::string& folder);

/// Of a single file, under our names. Throws bad_file where it holds no ControlNet.
std::shared_ptr<const WeightReader> control_net_weights(const std::string& file);

/// Throws invalid_argument for controls out of range.
void check_controls(const TextToImageOptions& options);

}  // namespace impasto
