#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "impasto/components.h"

namespace impasto::python {
using namespace nb::literals;

namespace {

/// `noise` is a Python function of a shape that returns float32 of that shape; the GIL is held throughout, since a step is short.
nb::object step(Sampler& s, const Floats& output, int i, const Floats& sample, const nb::callable& noise, double eta) {
  const Sampler::Noise draw = [&](const std::vector<std::int64_t>& shape) {
    const auto drawn = nb::cast<Floats>(noise(nb::tuple(nb::cast(shape))));
    return HostTensor{shape, {drawn.data(), drawn.data() + drawn.size()}};
  };
  return to_numpy(s.step(ref(output), i, ref(sample), draw, eta));
}

}  // namespace

void bind_sampler(nb::module_& m) {
  nb::class_<Sampler>(m, "Sampler", "A walk from noise to a picture. One thread at a time.")
      .def(nb::init<const std::string&, const std::string&>(), "config"_a, "name"_a = "")
      .def("set_timesteps", &Sampler::set_timesteps, "num_inference_steps"_a)
      .def("set_own_timesteps", &Sampler::set_own_timesteps, "timesteps"_a)
      .def("set_own_sigmas", &Sampler::set_own_sigmas, "sigmas"_a)
      .def_prop_ro("timesteps", &Sampler::timesteps)
      .def_prop_ro("sigmas", &Sampler::sigmas)
      .def_prop_ro("order", &Sampler::order)
      .def_prop_ro("init_noise_sigma", &Sampler::init_noise_sigma)
      .def(
          "scale_model_input", [](const Sampler& s, const Floats& x, int i) { return to_numpy(s.scale_model_input(ref(x), i)); }, "sample"_a,
          "step"_a)
      .def("step", &step, "model_output"_a, "step"_a, "sample"_a, "noise"_a, "eta"_a = 0.0)
      .def(
          "predicted_clean",
          [](const Sampler& s, const Floats& out, int i, const Floats& x) { return to_numpy(s.predicted_clean(ref(out), i, ref(x))); },
          "model_output"_a, "step"_a, "sample"_a, "The clean latents that the output speaks of.")
      .def(
          "add_noise", [](const Sampler& s, const Floats& x, const Floats& noise, int i) { return to_numpy(s.add_noise(ref(x), ref(noise), i)); },
          "clean"_a, "noise"_a, "step"_a);
  nb::class_<Generator>(m, "Generator", "torch's generator. One thread at a time.")
      .def(
          "__init__", [](Generator* self, std::uint64_t seed, bool cuda) { new (self) Generator(seed, cuda ? Rng::cuda : Rng::cpu); }, "seed"_a,
          "cuda"_a = false)
      .def(
          "randn",
          [](Generator& g, std::int64_t n) {
            return to_numpy({{n}, g.randn(n)});
          },
          "n"_a);
}

}  // namespace impasto::python
