#include "hub/pipeline_class.h"

#include <algorithm>
#include <iterator>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr const char* kPipelineClasses[] = {"StableDiffusionPipeline",
                                            "StableDiffusionImg2ImgPipeline",
                                            "StableDiffusionInpaintPipeline",
                                            "StableDiffusionInstructPix2PixPipeline",
                                            "StableDiffusionXLPipeline",
                                            "StableDiffusionXLImg2ImgPipeline",
                                            "StableDiffusionXLInpaintPipeline",
                                            "LatentConsistencyModelPipeline",
                                            "LatentConsistencyModelImg2ImgPipeline"};

std::string without_control_nets(std::string name) {
  const std::string part = "ControlNet";
  if (const std::size_t at = name.find(part); at != name.npos) name.erase(at, part.size());
  return name;
}

}  // namespace

std::string pipeline_class(const JsonObject& index) {
  const std::string named = index.text("_class_name", kPipelineClasses[0]);
  std::string name = without_control_nets(named);
  if (std::find(std::begin(kPipelineClasses), std::end(kPipelineClasses), name) == std::end(kPipelineClasses))
    fail(ErrorKind::unsupported, index.where(), ": pipeline class ", printable(named),
         " is not supported; supported are Stable Diffusion 1.x and 2.x, and XL (", kPipelineClasses[0], ", StableDiffusionXLPipeline)");
  return name;
}

}  // namespace impasto
