#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "given_weights.h"
#include "impasto/picture_components.h"
#include "load_options.h"
#include "run.h"

namespace impasto::python {
using namespace nb::literals;

namespace {

using Pixels = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

ImageEncoderModel load_encoder(const std::string& folder, const std::string& device, const std::string& dtype, int num_threads, bool map_weights) {
  const nb::gil_scoped_release released;
  return ImageEncoderModel::load(folder, load_options(device, dtype, num_threads, map_weights));
}

nb::object clip_input(const ImageEncoderModel& m, const Pixels& image) {
  const Image copy{static_cast<int>(image.shape(1)), static_cast<int>(image.shape(0)), {image.data(), image.data() + image.size()}};
  HostTensor out;
  {
    const nb::gil_scoped_release released;
    out = m.clip_input(copy);
  }
  return to_numpy(std::move(out));
}

IpAdapterModel load_adapter(const std::string& path, const std::string& config, const std::string& device, const std::string& dtype, int num_threads,
                            bool map_weights) {
  const nb::gil_scoped_release released;
  return IpAdapterModel::load_file(path, config, load_options(device, dtype, num_threads, map_weights));
}

IpAdapterModel adapter_of(const std::string& config, const nb::list& tensors, nb::object owner, const std::string& device, const std::string& dtype,
                          int num_threads, bool map_weights) {
  const GivenWeights weights = given(tensors, std::move(owner));
  const nb::gil_scoped_release released;
  return IpAdapterModel::from_weights(config, weights, load_options(device, dtype, num_threads, map_weights));
}

template <typename Model>
void bind_devices(nb::class_<Model>& model) {
  model
      .def("with_device", &Model::with_device, "device"_a, "dtype"_a = "auto", nb::call_guard<nb::gil_scoped_release>(),
           "The same on another device, built there when it is first called.")
      .def("unload", &Model::unload, nb::call_guard<nb::gil_scoped_release>(), "Gives the device's memory back until the next call.");
}

}  // namespace

void bind_pictures(nb::module_& m) {
  nb::class_<ShownPictures>(m, "ShownPictures", "What an IP-Adapter shows a UNet.");
  nb::class_<ImageEncoderModel> encoder(m, "ImageEncoderModel", "What looks at pictures for IP-Adapters. Several threads may use it at once.");
  bind_devices(encoder);
  encoder.def_static("load", &load_encoder, "folder"_a, IMPASTO_LOAD_ARGUMENTS)
      .def("clip_input", &clip_input, "image"_a, "uint8 [height, width, 3] to what the encoder looks at, float32 [1, 3, side, side].")
      .def(
          "embeds",
          [](const ImageEncoderModel& e, const Floats& x, const StopFlag* stop) {
            return run(stop, [&](const ShouldStop& s) { return e.embeds(ref(x), s); });
          },
          "clip_input"_a, "stop"_a.none() = nb::none(), "[n, 3, side, side] to the pictures as wholes, [n, projection_dim].")
      .def(
          "states",
          [](const ImageEncoderModel& e, const Floats& x, const StopFlag* stop) {
            return run(stop, [&](const ShouldStop& s) { return e.states(ref(x), s); });
          },
          "clip_input"_a, "stop"_a.none() = nb::none(), "The same to the hidden states before the last layer, [n, tokens, hidden_size].");
  nb::class_<IpAdapterModel> adapter(m, "IpAdapterModel", "An IP-Adapter. Several threads may use it at once.");
  bind_devices(adapter);
  adapter.def_static("load_file", &load_adapter, "path"_a, "unet_config"_a, IMPASTO_LOAD_ARGUMENTS)
      .def_static("from_weights", &adapter_of, "unet_config"_a, "tensors"_a, "owner"_a, IMPASTO_LOAD_ARGUMENTS)
      .def_prop_ro("takes_states", &IpAdapterModel::takes_states, "Whether embeddings are the image encoder's states.")
      .def(
          "show",
          [](const IpAdapterModel& a, const Floats& embeds, const std::vector<float>& scales, const StopFlag* stop) {
            return without_gil(stop, [&](const ShouldStop& s) { return a.show(ref(embeds), scales, s); });
          },
          "image_embeds"_a, "scales"_a, "stop"_a.none() = nb::none(),
          "[n, pictures, c] or [n, pictures, tokens, c] to what a UNet of n images attends to; a scale for all of its cross-attentions, or one for "
          "each.");
  m.def("cross_attention_names", &cross_attention_names, "unet_config"_a, "As diffusers names them, in the order of scales.");
}

}  // namespace impasto::python
