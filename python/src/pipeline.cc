#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "impasto/impasto.h"
#include "load_options.h"

namespace impasto::python {
namespace nb = nanobind;
using namespace nb::literals;

namespace {

nb::dict as_dict(const ModelInfo& info) {
  nb::dict out;
  out["path"] = info.path;
  out["pipeline_class"] = info.pipeline_class;
  out["scheduler"] = info.scheduler;
  out["scheduler_config"] = info.scheduler_config;
  out["prediction_type"] = info.prediction_type;
  out["height"] = info.height;
  out["width"] = info.width;
  out["latent_channels"] = info.latent_channels;
  nb::list components;
  for (const ComponentInfo& c : info.components) {
    nb::dict component;
    component["name"] = c.name;
    component["class_name"] = c.class_name;
    component["parameters"] = c.parameters;
    component["bytes"] = c.bytes;
    component["dtypes"] = c.dtypes;
    component["config"] = c.config;
    components.append(component);
  }
  out["components"] = components;
  return out;
}

Pipeline load(const std::string& path, const std::string& tokenizer, const std::string& config, const std::string& device, const std::string& dtype,
              int num_threads, bool map_weights) {
  const nb::gil_scoped_release released;
  LoadOptions options = load_options(device, dtype, num_threads, map_weights);
  options.parts = {.tokenizer = tokenizer, .config = config};
  return Pipeline::load(path, options);
}

using LoraTuple = std::tuple<std::string, float, std::optional<float>, std::optional<float>>;

Pipeline with_loras(const Pipeline& p, const std::vector<LoraTuple>& given) {
  std::vector<Lora> loras;
  for (const auto& [path, scale, text_encoder_scale, second] : given) loras.push_back({path, scale, text_encoder_scale, second});
  const nb::gil_scoped_release released;
  return p.with_loras(loras);
}

void check(const Pipeline& p, int height, int width, int num_images, bool guided) {
  TextToImageOptions o;
  o.height = height, o.width = width, o.num_images = num_images, o.guidance_scale = guided ? 2.f : 1.f;
  p.check(o);
}

}  // namespace

void bind_pipeline(nb::module_& m) {
  m.def(
      "inspect", [](const std::string& path) { return as_dict(inspect(path)); }, "path"_a, "What a checkpoint's folder holds; weights are not read.");
  m.def("scheduler_names", [] {
    nb::list names;
    for (const SchedulerName& n : scheduler_names()) names.append(nb::make_tuple(n.class_name, n.short_name));
    return names;
  });
  m.def(
      "find_device",
      [](const std::string& device, const std::string& dtype) {
        const Device found = find_device(device, dtype);
        return nb::make_tuple(found.name, found.dtype);
      },
      "device"_a = "auto", "dtype"_a = "auto", "The names of a device and of its arithmetic, which \"auto\" stands for.");
  nb::class_<Pipeline>(m, "Pipeline", "A loaded checkpoint. Several threads may use it at once.")
      .def_static("load", &load, "path"_a, "tokenizer"_a = "", "config"_a = "", IMPASTO_LOAD_ARGUMENTS)
      .def("info", [](const Pipeline& p) { return as_dict(p.info()); })
      .def("check", &check, "height"_a, "width"_a, "num_images"_a, "guided"_a,
           "Raises ValueError or MemoryError for a picture that cannot be drawn; sizes in pixels.")
      .def("with_device", &Pipeline::with_device, "device"_a, "dtype"_a = "auto", nb::call_guard<nb::gil_scoped_release>(),
           "The same on another device, or on one for each network (\"unet=cuda,vae=cpu\"), built there when it is needed.")
      .def("with_loras", &with_loras, "loras"_a,
           "The same with adapters merged into its weights: (file, scale, the text encoders' scales where those are others) for each.")
      .def("warnings", &Pipeline::warnings, "What adapters say that this model does not have.")
      .def("components", [](const Pipeline& p) {
        Components c = components(p);
        nb::dict out;
        for (TextComponent& text : c.texts) {
          const std::string number = text.name.substr(std::string("text_encoder").size());  // "", "_2"
          out[("tokenizer" + number).c_str()] = std::move(text.tokenizer);
          out[text.name.c_str()] = std::move(text.encoder);
        }
        out["unet"] = std::move(c.unet);
        out["vae"] = std::move(c.vae);
        return out;
      });
}

}  // namespace impasto::python
