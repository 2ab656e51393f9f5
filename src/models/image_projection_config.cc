#include <algorithm>
#include <string>

#include "core/fail.h"
#include "models/image_projection.h"

namespace impasto {
namespace {

constexpr std::int64_t kHeadChannels = 64;  // of a resampler's attention, whatever its width

/// Rows and columns of a tensor that must be there.
class Shapes {
 public:
  explicit Shapes(const WeightReader& weights) : weights_(weights) {}

  bool has(const std::string& name) const { return weights_.describe("image_proj." + name).has_value(); }
  std::int64_t dim(const std::string& name, int i, int rank = 2) const {
    const auto info = weights_.describe("image_proj." + name);
    if (!info) fail(ErrorKind::bad_file, weights_.where(), ": tensor \"image_proj.", name, "\" is missing");
    if (info->shape.rank() != rank || info->shape.count() == 0)
      fail(ErrorKind::bad_file, weights_.where(), ": tensor \"image_proj.", name, "\" has shape ", info->shape.to_string(), ", expected ", rank,
           " dimensions");
    return info->shape[i];
  }

 private:
  const WeightReader& weights_;
};

ImageProjectionConfig plus(const Shapes& shapes, const WeightReader& weights) {
  ImageProjectionConfig c{.kind = ImageProjectionConfig::Kind::plus};
  c.queries = shapes.dim("latents", 1, 3);
  c.width = shapes.dim("latents", 2, 3);
  c.picture_channels = shapes.dim("proj_in.weight", 1);
  c.context_channels = shapes.dim("proj_out.weight", 0);
  while (c.depth < 64 && shapes.has("layers." + std::to_string(c.depth) + ".0.to_q.weight")) ++c.depth;
  if (c.depth == 0) fail(ErrorKind::bad_file, weights.where(), ": tensor \"image_proj.layers.0.0.to_q.weight\" is missing");
  const std::int64_t inner = shapes.dim("layers.0.0.to_q.weight", 0);
  if (inner % kHeadChannels != 0)
    fail(ErrorKind::bad_file, weights.where(), ": \"image_proj.layers.0.0.to_q.weight\" has ", inner, " rows, which are no heads of ", kHeadChannels);
  c.heads = static_cast<int>(inner / kHeadChannels);
  c.hidden = shapes.dim("layers.0.1.1.weight", 0);
  return c;
}

}  // namespace

ImageProjectionConfig ImageProjectionConfig::of(const WeightReader& weights) {
  const Shapes shapes(weights);
  if (shapes.has("proj.weight")) {
    ImageProjectionConfig c;
    c.picture_channels = shapes.dim("proj.weight", 1);
    c.context_channels = shapes.dim("norm.weight", 0, 1);
    return c;
  }
  if (shapes.has("proj.3.weight")) {
    ImageProjectionConfig c{.kind = Kind::full};
    c.picture_channels = shapes.dim("proj.0.weight", 1);
    c.context_channels = shapes.dim("proj.3.weight", 0, 1);
    return c;
  }
  if (shapes.has("perceiver_resampler.proj_in.weight") || shapes.has("proj.0.weight"))
    fail(ErrorKind::unsupported, weights.where(),
         ": is an IP-Adapter FaceID, which wants what a face recognition network (InsightFace) makes of a face; supported are IP-Adapter, ",
         "Plus and Full Face, which take any picture");
  if (shapes.has("latents")) return plus(shapes, weights);
  fail(ErrorKind::bad_file, weights.where(), ": holds no IP-Adapter (no tensor \"image_proj.proj.weight\", \"image_proj.proj.3.weight\" or ",
       "\"image_proj.latents\")");
}

}  // namespace impasto
