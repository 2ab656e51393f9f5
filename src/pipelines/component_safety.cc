// The public safety checker.
#include <filesystem>

#include "core/fail.h"
#include "core/guard.h"
#include "pipelines/clip_pixels.h"
#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"
#include "pipelines/found_model.h"
#include "pipelines/safety.h"

namespace impasto {

SafetyModel SafetyModel::load(const std::string& folder, const LoadOptions& options) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] {
    Backend& backend = chosen_backend(options);
    const FoundNetwork found = find_safety_checker(folder);
    return SafetyModel(built<Impl>(own<SafetyChecker>(backend, SafetyCheckerConfig::parse(*found.config), {found.weights, options.map_weights})));
  });
}

HostTensor SafetyModel::clip_input(const Image& image) const {
  return guarded([&] {
    const std::int64_t side = impl_->checker.get()->side();
    return HostTensor{{1, 3, side, side}, clip_pixels(image, side)};
  });
}

std::vector<bool> SafetyModel::flags(const TensorRef& clip_input, const ShouldStop& should_stop) const {
  return running(should_stop, [&] {
    const auto checker = impl_->checker.get();
    const std::int64_t side = checker->side(), count = 3 * side * side;
    require_shape("clip_input", clip_input, {0, 3, side, side}, concat("[n, 3, ", side, ", ", side, "]").c_str());
    std::vector<bool> flagged;
    for (std::int64_t i = 0; i < clip_input.shape[0]; ++i) {
      const float* pixels = clip_input.values + i * count;
      flagged.push_back(checker->score({pixels, pixels + count}).flagged());
    }
    return flagged;
  });
}

}  // namespace impasto
