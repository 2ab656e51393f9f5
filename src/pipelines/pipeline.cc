#include "impasto/pipeline.h"

#include "core/cancellation.h"
#include "core/guard.h"
#include "pipelines/components.h"
#include "pipelines/image_to_image.h"
#include "pipelines/inpaint.h"
#include "pipelines/options.h"
#include "pipelines/safety.h"
#include "pipelines/text_to_image.h"

namespace impasto {

struct Pipeline::Impl {
  Networks networks;
};

Pipeline Pipeline::load(const std::string& path, const LoadOptions& options) {
  return guarded([&] { return Pipeline(std::make_shared<const Impl>(Impl{load_networks(path, options, placement(options))})); });
}

TextToImageResult Pipeline::text_to_image(const TextToImageOptions& options) const {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return made_safe(impl_->networks, options.safety, impasto::text_to_image(impl_->networks, options)); });
}

TextToImageResult Pipeline::image_to_image(const ImageToImageOptions& options) const {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return made_safe(impl_->networks, options.safety, impasto::image_to_image(impl_->networks, options)); });
}

TextToImageResult Pipeline::inpaint(const InpaintOptions& options) const {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return made_safe(impl_->networks, options.safety, impasto::inpaint(impl_->networks, options)); });
}

Pipeline Pipeline::with_device(const std::string& device, const std::string& dtype) const {
  return guarded([&] {
    const Placement to = placement({.device = device, .dtype = dtype});
    return Pipeline(std::make_shared<const Impl>(Impl{moved(impl_->networks, to)}));
  });
}

Pipeline Pipeline::with_loras(const std::vector<Lora>& loras) const {
  return guarded([&] { return Pipeline(std::make_shared<const Impl>(Impl{impasto::with_loras(impl_->networks, loras)})); });
}

Pipeline Pipeline::with_controlnets(const std::vector<std::string>& paths) const {
  return guarded([&] { return Pipeline(std::make_shared<const Impl>(Impl{with_control_nets(impl_->networks, paths)})); });
}

Pipeline Pipeline::with_ip_adapters(const std::vector<IpAdapterFile>& files) const {
  return guarded([&] { return Pipeline(std::make_shared<const Impl>(Impl{impasto::with_ip_adapters(impl_->networks, files)})); });
}

void Pipeline::check(const TextToImageOptions& options) const {
  guarded([&] {
    TextToImageResult described;
    checked(options, impl_->networks.checkpoint, impl_->networks.placement(), described);
  });
}

Components components(const Pipeline& pipeline) {
  return guarded([&] { return components_of({pipeline.impl_, &pipeline.impl_->networks}); });
}

const ModelInfo& Pipeline::info() const { return impl_->networks.checkpoint.info; }

const std::vector<std::string>& Pipeline::warnings() const { return impl_->networks.warnings; }

std::string version() { return IMPASTO_VERSION; }

}  // namespace impasto
