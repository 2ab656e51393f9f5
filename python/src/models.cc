#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "given_weights.h"
#include "impasto/components.h"
#include "load_options.h"
#include "run.h"

namespace impasto::python {
using namespace nb::literals;

namespace {

template <typename Model>
Model load(const std::string& folder, const std::string& device, const std::string& dtype, int num_threads, bool map_weights) {
  const nb::gil_scoped_release released;
  return Model::load(folder, load_options(device, dtype, num_threads, map_weights));
}

template <typename Model>
Model from_weights(const std::string& config, const nb::list& tensors, nb::object owner, const std::string& device, const std::string& dtype,
                   int num_threads, bool map_weights) {
  const GivenWeights weights = given(tensors, std::move(owner));
  const nb::gil_scoped_release released;
  return Model::from_weights(config, weights, load_options(device, dtype, num_threads, map_weights));
}

template <typename Model>
Model load_file(const std::string& path, const std::string& config, const std::string& device, const std::string& dtype, int num_threads,
                bool map_weights) {
  const nb::gil_scoped_release released;
  return Model::load_file(path, config, load_options(device, dtype, num_threads, map_weights));
}

/// `added`: text_embeds and time_ids, of networks that take them.
UNetTexts texts_of(const Floats& context, const std::optional<std::pair<Floats, Floats>>& added) {
  return added ? UNetTexts(ref(context), ref(added->first), ref(added->second)) : UNetTexts(ref(context));
}

nb::object forward(const UNetModel& m, const Floats& sample, double timestep, const Floats& context, const StopFlag* stop,
                   const std::vector<Floats>& down, const std::optional<Floats>& mid, UNetWalk* walk,
                   const std::optional<std::pair<Floats, Floats>>& added, const std::vector<ShownPictures>& pictures,
                   const std::optional<Floats>& timestep_cond) {
  UNetResiduals residuals;
  for (const Floats& each : down) residuals.down.push_back(ref(each));
  if (mid) residuals.mid = ref(*mid);
  UNetWalk alone;
  UNetWalk& steps = walk != nullptr ? *walk : alone;
  UNetTexts texts = texts_of(context, added);
  texts.pictures = pictures;
  if (timestep_cond) texts.timestep_cond = ref(*timestep_cond);
  return run(stop, [&](const ShouldStop& s) { return m.forward(ref(sample), timestep, texts, residuals, steps, s); });
}

nb::tuple control(const ControlNetModel& m, const Floats& sample, double timestep, const Floats& context, const Floats& picture, float scale,
                  const StopFlag* stop, const std::optional<std::pair<Floats, Floats>>& added) {
  const auto call = [&](const ShouldStop& s) { return m.forward(ref(sample), timestep, texts_of(context, added), ref(picture), scale, s); };
  ControlNetOutput out = without_gil(stop, call);
  nb::list down;
  for (HostTensor& each : out.down) down.append(to_numpy(std::move(each)));
  return nb::make_tuple(down, to_numpy(std::move(out.mid)));
}

/// uint8 [height, width, 3] each.
nb::list preview(const VaeModel& v, const Floats& latents, const StopFlag* stop) {
  std::vector<Image> images = without_gil(stop, [&](const ShouldStop& s) { return v.preview(ref(latents), s); });
  nb::list out;
  for (Image& image : images) {
    auto* kept = new Image(std::move(image));
    const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Image*>(p); });
    const std::size_t shape[] = {static_cast<std::size_t>(kept->height), static_cast<std::size_t>(kept->width), 3};
    out.append(nb::cast(nb::ndarray<nb::numpy, std::uint8_t>(kept->pixels.data(), 3, shape, owner)));
  }
  return out;
}

SafetyModel load_safety(const std::string& folder, const std::string& device, const std::string& dtype, int num_threads, bool map_weights) {
  return load<SafetyModel>(folder, device, dtype, num_threads, map_weights);
}

using Pixels = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

nb::object clip_input(const SafetyModel& m, const Pixels& image) {
  const Image copy{static_cast<int>(image.shape(1)), static_cast<int>(image.shape(0)), {image.data(), image.data() + image.size()}};
  HostTensor out;
  {
    const nb::gil_scoped_release released;
    out = m.clip_input(copy);
  }
  return to_numpy(std::move(out));
}

nb::list flags(const SafetyModel& m, const Floats& pixels, const StopFlag* stop) {
  nb::list out;
  for (const bool flagged : without_gil(stop, [&](const ShouldStop& s) { return m.flags(ref(pixels), s); })) out.append(nb::bool_(flagged));
  return out;
}

using Ids = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

nb::object encode_text(const TextModel& m, const Ids& ids, int clip_skip, const StopFlag* stop) {
  return run(stop, [&](const ShouldStop& s) { return m.forward({ids.data(), ids.size()}, static_cast<std::int64_t>(ids.shape(0)), clip_skip, s); });
}

nb::object pool_text(const TextModel& m, const Ids& ids, int end, const StopFlag* stop) {
  return run(stop, [&](const ShouldStop& s) { return m.pooled({ids.data(), ids.size()}, static_cast<std::int64_t>(ids.shape(0)), end, s); });
}

template <typename Model>
void bind_devices(nb::class_<Model>& model) {
  model
      .def("with_device", &Model::with_device, "device"_a, "dtype"_a = "auto", nb::call_guard<nb::gil_scoped_release>(),
           "The same on another device, built there when it is first called.")
      .def("unload", &Model::unload, nb::call_guard<nb::gil_scoped_release>(), "Gives the device's memory back until the next call.");
}

template <typename Model>
nb::class_<Model> bind_model(nb::module_& m, const char* name, const char* doc) {
  nb::class_<Model> model(m, name, doc);
  model.def_static("load", &load<Model>, "folder"_a, IMPASTO_LOAD_ARGUMENTS)
      .def_static("from_weights", &from_weights<Model>, "config"_a, "tensors"_a, "owner"_a, IMPASTO_LOAD_ARGUMENTS);
  bind_devices(model);
  return model;
}

}  // namespace

void bind_models(nb::module_& m) {
  nb::class_<StopFlag>(m, "StopFlag", "Set from any thread to stop the calls that were given it.")
      .def(nb::init<>())
      .def("set", &StopFlag::set)
      .def("is_set", &StopFlag::is_set);
  nb::class_<UNetWalk>(m, "UNetWalk", "What the steps of one walk may give up for speed, and keep. One thread at a time.")
      .def(nb::init<int, float>(), "deep_cache_interval"_a = 1, "token_merging_ratio"_a = 0.0F);
  bind_model<UNetModel>(m, "UNetModel", "The denoiser. Several threads may use it at once.")
      .def("forward", &forward, "sample"_a, "timestep"_a, "encoder_hidden_states"_a, "stop"_a.none() = nb::none(), "down"_a = std::vector<Floats>{},
           "mid"_a = nb::none(), "walk"_a.none() = nb::none(), "added"_a = nb::none(), "pictures"_a = std::vector<ShownPictures>{},
           "timestep_cond"_a = nb::none(),
           "float32 [n, c, h, w] and [n, tokens, c] to [n, c, h, w]. down, mid: what ControlNets add. walk: what is kept from step to step. added: "
           "text_embeds [n, c] and time_ids [n, k], of models that take them. pictures: what IP-Adapters show. timestep_cond: [n, c], the guidance "
           "scale, to models that are told it.");
  m.def("config_of_file", &config_of_file, "component"_a, "path"_a, "folder"_a = "", nb::call_guard<nb::gil_scoped_release>(),
        "What the config.json of a network (vae or controlnet) in a single file would say.");
  bind_model<ControlNetModel>(m, "ControlNetModel", "A ControlNet. Several threads may use it at once.")
      .def_static("load_file", &load_file<ControlNetModel>, "path"_a, "config"_a, IMPASTO_LOAD_ARGUMENTS)
      .def("forward", &control, "sample"_a, "timestep"_a, "encoder_hidden_states"_a, "controlnet_cond"_a, "scale"_a = 1.0F,
           "stop"_a.none() = nb::none(), "added"_a = nb::none(),
           "What it adds to the UNet, down and mid, for a picture [n or 1, 3, 8h, 8w] in 0..1.");
  nb::class_<SafetyModel> safety(m, "SafetyModel", "The safety checker. Several threads may use it at once.");
  bind_devices(safety);
  safety.def_static("load", &load_safety, "folder"_a, IMPASTO_LOAD_ARGUMENTS)
      .def("clip_input", &clip_input, "image"_a, "uint8 [height, width, 3] to what the checker looks at, float32 [1, 3, side, side].")
      .def("flags", &flags, "clip_input"_a, "stop"_a.none() = nb::none(), "Whether it flags pictures, clip_input [n, 3, side, side].");
  bind_model<VaeModel>(m, "VaeModel", "The autoencoder. Several threads may use it at once.")
      .def_static("load_file", &load_file<VaeModel>, "path"_a, "config"_a, IMPASTO_LOAD_ARGUMENTS)
      .def(
          "decode",
          [](const VaeModel& v, const Floats& x, const StopFlag* stop, bool tiled) {
            return run(stop, [&](const ShouldStop& s) { return v.decode(ref(x), s, tiled); });
          },
          "latents"_a, "stop"_a.none() = nb::none(), "tiled"_a = false,
          "float32 [n, c, h, w], divided by the scaling factor, to pixels [n, 3, 8h, 8w], about -1..1.")
      .def(
          "encode",
          [](const VaeModel& v, const Floats& x, const StopFlag* stop, bool tiled) {
            return run(stop, [&](const ShouldStop& s) { return v.encode(ref(x), s, tiled); });
          },
          "pixels"_a, "stop"_a.none() = nb::none(), "tiled"_a = false, "float32 [n, 3, H, W] in -1..1 to mean and log variance, [n, 2c, H/8, W/8].")
      .def("preview", &preview, "latents"_a, "stop"_a.none() = nb::none(), "Rough pictures of latents that are not divided, uint8 [8h, 8w, 3] each.");
  bind_model<TextModel>(m, "TextModel", "A text encoder. Several threads may use it at once.")
      .def("forward", &encode_text, "ids"_a, "clip_skip"_a = 0, "stop"_a.none() = nb::none(), "int32 [n, tokens] to float32 [n, tokens, c].")
      .def("pooled", &pool_text, "ids"_a, "end"_a, "stop"_a.none() = nb::none(),
           "int32 [n, tokens] to float32 [n, c], what they come to as a whole: the projection where the id `end` first stands.");
}

}  // namespace impasto::python
