#include "cli/control_arguments.h"

#include "cli/arguments.h"
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
  auto* nets = app.add_option(
      "--controlnet", a.nets,
      "A ControlNet, which makes the picture follow --control-image: a folder, a file, or ORG/NAME on the Hub; may be given several times");
  nets->type_name("PATH");
  auto* images = app.add_option("--control-image", a.images, "What it follows: edges, depth, a pose, as that network was trained on");
  images->type_name("FILE");
  auto* scales = add_repeated_number(app, "--control-scale", a.scales, "How much of it (default 1); one for all ControlNets, or one for each");
  auto* starts = add_repeated_number(app, "--control-start", a.starts, "From this share of the steps on, 0 to 1 (default 0)");
  auto* stops = add_repeated_number(app, "--control-stop", a.stops, "Up to this share of the steps (default 1)");
  auto* guess = app.add_flag("--guess-mode", a.guess_mode, "ControlNets count for more than the prompt (A1111's \"ControlNet is more important\")");
  guess->group("Adapters");
  for (auto* option : {nets, images, scales, starts, stops}) option->allow_extra_args(false)->group("Adapters");
}

std::vector<Control> read_controls(const ControlArguments& a, const std::vector<Control>& recorded) {
  const std::size_t count = a.nets.size();
  if (a.images.size() != count)
    throw Error(ErrorKind::invalid_argument, "--controlnet: " + std::to_string(count) + " ControlNets, but " + std::to_string(a.images.size()) +
                                                 " pictures; each follows one, named by --control-image");
  if (count == 0 && !(a.scales.empty() && a.starts.empty() && a.stops.empty() && !a.guess_mode))
    throw Error(ErrorKind::invalid_argument,
                "--control-scale, --control-start, --control-stop and --guess-mode are about a --controlnet, and there is none");
  std::vector<Control> controls;
  for (std::size_t i = 0; i < count; ++i) {
    Control c = i < recorded.size() ? recorded[i] : Control();
    c.image = read_image(a.images[i]);
    c.scale = static_cast<float>(value_for("--control-scale", a.scales, i, count, static_cast<double>(c.scale)));
    c.start = value_for("--control-start", a.starts, i, count, c.start);
    c.stop = value_for("--control-stop", a.stops, i, count, c.stop);
    c.guess_mode = c.guess_mode || a.guess_mode;
    controls.push_back(std::move(c));
  }
  return controls;
}

}  // namespace impasto::cli
