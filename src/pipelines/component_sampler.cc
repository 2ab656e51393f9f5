// The public face of schedulers and of random numbers.
#include "backend/registry.h"
#include "core/fail.h"
#include "core/flush_denormals.h"
#include "core/guard.h"
#include "impasto/components.h"
#include "pipelines/networks.h"
#include "pipelines/noise.h"
#include "schedulers/scheduler.h"

namespace impasto {
namespace {

HostTensor to_host(const Tensor& t) { return {{t.shape().begin(), t.shape().end()}, t.to_host()}; }

}  // namespace

struct Sampler::Impl {
  Backend& backend;
  std::unique_ptr<Scheduler> scheduler;
  PredictionType prediction_type;

  Tensor tensor(const char* name, const TensorRef& t) const {
    bool fits = !t.shape.empty() && t.shape.size() <= Shape::kMaxRank && t.values != nullptr;
    for (const std::int64_t d : t.shape) fits = fits && d >= 1;
    if (!fits) fail(ErrorKind::invalid_argument, name, " has ", t.shape.size(), " dimensions or is empty; 1 to ", Shape::kMaxRank, " are supported");
    return Tensor::from_host(backend, Shape(t.shape), t.values);
  }

  void require_step(int step) const {
    const auto n = static_cast<int>(scheduler->timesteps().size());
    if (n == 0) fail(ErrorKind::invalid_argument, "call set_timesteps first");
    if (step < 0 || step >= n) fail(ErrorKind::invalid_argument, "step is ", step, ", allowed is 0 to ", n - 1);
  }
};

Sampler::Sampler(const std::string& config, const std::string& name) {
  impl_ = guarded([&] {
    const JsonObject object(parse_json(config, "the scheduler's config", {.python_constants = true}), "the scheduler's config");
    return std::make_shared<Impl>(Impl{backend_for("cpu"), make_scheduler(object, name), read_prediction_type(object)});
  });
}

void Sampler::set_timesteps(int n) {
  guarded([&] { impl_->scheduler->set_timesteps(n); });
}
void Sampler::set_own_timesteps(const std::vector<double>& timesteps) {
  guarded([&] { impl_->scheduler->set_path({.timesteps = timesteps, .sigmas = {}}); });
}
void Sampler::set_own_sigmas(const std::vector<double>& sigmas) {
  guarded([&] { impl_->scheduler->set_path({.timesteps = {}, .sigmas = sigmas}); });
}
const std::vector<double>& Sampler::timesteps() const { return impl_->scheduler->timesteps(); }
const std::vector<double>& Sampler::sigmas() const { return impl_->scheduler->sigmas(); }
int Sampler::order() const { return impl_->scheduler->order(); }
double Sampler::init_noise_sigma() const { return impl_->scheduler->init_noise_sigma(); }

HostTensor Sampler::scale_model_input(const TensorRef& sample, int step) const {
  return guarded([&] {
    impl_->require_step(step);
    return to_host(impl_->scheduler->scale_model_input(impl_->tensor("sample", sample), step));
  });
}

HostTensor Sampler::step(const TensorRef& model_output, int step, const TensorRef& sample, const Noise& noise, double eta) {
  return guarded([&] {
    const FlushDenormals flush;
    impl_->require_step(step);
    if (model_output.shape != sample.shape) fail(ErrorKind::invalid_argument, "model_output and sample have different shapes");
    const NoiseSource source = [&](const Shape& shape) {
      const HostTensor drawn = noise({shape.begin(), shape.end()});
      if (static_cast<std::int64_t>(drawn.values.size()) != shape.count())
        fail(ErrorKind::invalid_argument, "noise has ", drawn.values.size(), " values, expected ", shape.to_string());
      return Tensor::from_host(impl_->backend, shape, drawn.values.data());
    };
    return to_host(impl_->scheduler->step(impl_->tensor("model_output", model_output), step, impl_->tensor("sample", sample), source, {.eta = eta}));
  });
}

HostTensor Sampler::predicted_clean(const TensorRef& model_output, int step, const TensorRef& sample) const {
  return guarded([&] {
    impl_->require_step(step);
    if (model_output.shape != sample.shape) fail(ErrorKind::invalid_argument, "model_output and sample have different shapes");
    const Tensor output = impl_->tensor("model_output", model_output);
    return to_host(impl_->scheduler->predicted_clean(impl_->prediction_type, output, step, impl_->tensor("sample", sample)));
  });
}

HostTensor Sampler::add_noise(const TensorRef& clean, const TensorRef& noise, int step) const {
  return guarded([&] {
    impl_->require_step(step);
    if (clean.shape != noise.shape) fail(ErrorKind::invalid_argument, "clean latents and noise have different shapes");
    return to_host(impl_->scheduler->add_noise(impl_->tensor("latents", clean), impl_->tensor("noise", noise), step));
  });
}

struct Generator::Impl {
  TorchOrPhilox generator;
};

Generator::Generator(std::uint64_t seed, Rng rng) {
  impl_ = guarded([&] { return std::make_shared<Impl>(Impl{make_generator(seed, rng)}); });
}

std::vector<float> Generator::randn(std::int64_t n) {
  return guarded([&] {
    if (n < 0) fail(ErrorKind::invalid_argument, "n is ", n, ", allowed is 0 and more");
    std::vector<float> values(static_cast<std::size_t>(n));
    std::visit([&](auto& g) { g.randn(values.data(), n); }, impl_->generator);
    return values;
  });
}

}  // namespace impasto
