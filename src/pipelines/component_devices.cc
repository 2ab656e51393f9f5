// The public components on other devices.
#include "core/guard.h"
#include "pipelines/component_models.h"
#include "pipelines/placement.h"

namespace impasto {
namespace {

Backend& named(const std::string& device, const std::string& dtype) { return chosen_backend({.device = device, .dtype = dtype}); }

template <typename T>
void let_go(const Component<T>& network) {
  network.let_go();
  network.backend().empty_cache();
}

/// A model of one network elsewhere, or itself where it is there already.
template <typename Model, typename Impl, typename T>
Model moved(const Model& here, const std::shared_ptr<const Impl>&, const Component<T>& network, const std::string& device, const std::string& dtype) {
  return guarded([&] {
    Backend& there = named(device, dtype);
    return &there == &network.backend() ? here : Model(std::make_shared<const Impl>(network.on(there)));
  });
}

}  // namespace

UNetModel UNetModel::with_device(const std::string& device, const std::string& dtype) const { return moved(*this, impl_, impl_->net, device, dtype); }

ControlNetModel ControlNetModel::with_device(const std::string& device, const std::string& dtype) const {
  return moved(*this, impl_, impl_->net, device, dtype);
}

TextModel TextModel::with_device(const std::string& device, const std::string& dtype) const { return moved(*this, impl_, impl_->net, device, dtype); }

ImageEncoderModel ImageEncoderModel::with_device(const std::string& device, const std::string& dtype) const {
  return moved(*this, impl_, impl_->net, device, dtype);
}

IpAdapterModel IpAdapterModel::with_device(const std::string& device, const std::string& dtype) const {
  return moved(*this, impl_, impl_->net, device, dtype);
}

SafetyModel SafetyModel::with_device(const std::string& device, const std::string& dtype) const {
  return moved(*this, impl_, impl_->checker, device, dtype);
}

VaeModel VaeModel::with_device(const std::string& device, const std::string& dtype) const {
  return guarded([&] {
    Backend& there = named(device, dtype);
    if (&there == &impl_->backend()) return *this;
    return VaeModel(std::make_shared<const Impl>(impl_->config, impl_->decoder.on(there), impl_->encoder.on(there)));
  });
}

void UNetModel::unload() const {
  guarded([&] {
    impl_->texts.clear();
    impl_->with_pictures.clear();
    let_go(impl_->net);
  });
}

void ControlNetModel::unload() const {
  guarded([&] {
    impl_->texts.clear();
    impl_->pictures.clear();
    let_go(impl_->net);
  });
}

void TextModel::unload() const {
  guarded([&] { let_go(impl_->net); });
}

void ImageEncoderModel::unload() const {
  guarded([&] { let_go(impl_->net); });
}

void IpAdapterModel::unload() const {
  guarded([&] { let_go(impl_->net); });
}

void SafetyModel::unload() const {
  guarded([&] { let_go(impl_->checker); });
}

void VaeModel::unload() const {
  guarded([&] {
    let_go(impl_->decoder);
    let_go(impl_->encoder);
  });
}

}  // namespace impasto
