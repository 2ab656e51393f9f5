#include "cli/control_arguments.h"

#include "impasto/error.h"

namespace impasto::cli {
namespace {

double value_for(const char* option, const std::vector<double>& values, std::size_t index, std::size_t count, double fallback) {
  if (values.empty()) return fallback;
  if (values.size() == 1) return values.front();
  if (values.size() != count)
    throw Error(ErrorKind::invalid_argument, std::string(option) + ": " + std::to_string(values.size()) + " values for " + std::to_string(count) +
                                                 " ControlNets; give one for all, or one for each");
  return values[index];
}

}  // namespace

void add_control_options(CLI::App& app, ControlArguments& a) {
  auto* nets = app.add_option("--controlnet", a.nets, "A ControlNet, which makes the picture follow --control-image; may be given several times");
  nets->type_name("DIR");
  auto* images = app.add_option("--control-image", a.images, "What it follows: edges, depth, a pose, as that network was trained on");
  images->type_name("FILE");
  auto* scales = app.add_option("--control-scale", a.scales, "How much of it (default 1); one for all ControlNets, or one for each");
  auto* starts = app.add_option("--control-start", a.starts, "From this share of the steps on, 0 to 1 (default 0)");
  auto* stops = app.add_option("--control-stop", a.stops, "Up to this share of the steps (default 1)");
  for (auto* option : {scales, starts, stops}) option->type_name("NUMBER");
  for (auto* option : {nets, images, scales, starts, stops}) option->allow_extra_args(false)->group("Adapters");
}

std::vector<Control> read_controls(const ControlArguments& a) {
  const std::size_t count = a.nets.size();
  if (a.images.size() != count)
    throw Error(ErrorKind::invalid_argument, "--controlnet: " + std::to_string(count) + " ControlNets, but " + std::to_string(a.images.size()) +
                                                 " pictures; each follows one, named by --control-image");
  if (count == 0 && !(a.scales.empty() && a.starts.empty() && a.stops.empty()))
    throw Error(ErrorKind::invalid_argument, "--control-scale, --control-start and --control-stop are about a --controlnet, and there is none");
  std::vector<Control> controls;
  for (std::size_t i = 0; i < count; ++i)
    controls.push_back({read_image(a.images[i]), static_cast<float>(value_for("--control-scale", a.scales, i, count, 1)),
                        value_for("--control-start", a.starts, i, count, 0), value_for("--control-stop", a.stops, i, count, 1)});
  return controls;
}

}  // namespace impasto::cli
