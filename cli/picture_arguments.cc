#include "cli/picture_arguments.h"

#include <charconv>
#include <map>
#include <sstream>

#include "cli/arguments.h"
#include "impasto/error.h"

namespace impasto::cli {
namespace {

std::string in_quotes(const std::string& text) { return std::string("\"").append(text).append("\""); }

InpaintArea parse_area(const std::string& text) {
  if (text == "whole") return InpaintArea::whole;
  if (text == "masked") return InpaintArea::masked;
  throw CLI::ValidationError("--inpaint-area", in_quotes(text) + " is not one of whole, masked");
}

bool extends(const Margins& m) { return m.left != 0 || m.top != 0 || m.right != 0 || m.bottom != 0; }

int on_grid(int side) { return side - side % 8; }

void require(const std::vector<const CLI::Option*>& options, const std::string& needed) {
  for (const CLI::Option* option : options)
    if (option->count() > 0) throw Error(ErrorKind::invalid_argument, "--" + option->get_lnames().front() + " needs " + needed);
}

void add_inpainting(CLI::App& app, PictureArguments& a, InpaintOptions& o) {
  auto* mask = app.add_option("--mask,--mask-image", a.mask, "Repaint where this picture is white, and only there")->type_name("FILE");
  auto* invert = app.add_flag("--invert-mask", o.invert_mask, "Repaint where the mask is black");
  auto* blur = add_number(app, "--mask-blur", o.mask_blur, "Soften the mask by so many pixels, 0 to 256 (default 0: a seam of 4 pixels)");
  const auto take_area = [&o](const std::string& text) { o.inpaint_area = parse_area(text); };
  auto* area = app.add_option_function<std::string>(
      "--inpaint-area", take_area,
      "whole, or masked: look only at the mask's surroundings, at the model's size, for detail in a small part of a large picture (default whole)");
  area->type_name("AREA");
  auto* padding = add_integer(app, "--inpaint-padding", o.inpaint_padding, "Pixels around the mask that --inpaint-area masked looks at");
  auto* keep = app.add_flag("--keep-unmasked,!--no-keep-unmasked", o.keep_unmasked,
                            "Keep what is outside the mask byte for byte (the default), or leave it as the model's decoder gives it");
  const auto take_margins = [&o](const std::string& text) { o.extend = parse_margins(text); };
  auto* extend = app.add_option_function<std::string>("--extend", take_margins,
                                                      "Outpaint: grow the picture by pixels on some sides, such as left=128,bottom=64 or all=64");
  extend->type_name("SIDES");
  a.need_image.insert(a.need_image.end(), {mask, extend});
  a.need_mask = {invert, blur, area, padding, keep};
  for (auto* option : {mask, invert, blur, area, padding, keep, extend}) option->group("Inpainting and outpainting");
}

}  // namespace

void add_picture_options(CLI::App& app, PictureArguments& a, InpaintOptions& o) {
  auto* image =
      app.add_option("-i,--image,--init-img", a.image,
                     "Start from this picture (PNG, JPEG or WebP); its size is kept, down to a multiple of 8, unless -W or -H say otherwise");
  image->type_name("FILE");
  auto* strength =
      add_number(app, "--strength,--denoising-strength", a.strength,
                 "How far to go from it, above 0 to 1: the share of the steps that is run (default 0.8; with a mask 1; Stable Diffusion XL 0.3 "
                 "and 0.9999)");
  auto* keep = add_number(app, "--image-guidance-scale,--img-cfg-scale", o.image_guidance_scale,
                          "Of models that edit pictures (InstructPix2Pix): how closely to keep to it; they take no --strength");
  auto* settings = app.add_option("--from", a.settings, "Take prompt, seed and all other settings from this picture, where no option says otherwise");
  settings->type_name("FILE");
  a.need_image = {strength, keep};
  for (auto* option : {settings, image, strength, keep}) option->group("Starting from a picture");
  add_inpainting(app, a, o);
}

Task task_of(const PictureArguments& a, const InpaintOptions& o) {
  const bool masked = !a.mask.empty() || extends(o.extend);
  if (a.image.empty()) require(a.need_image, "--image, the picture to start from");
  if (!masked) require(a.need_mask, "--mask (what to repaint) or --extend");
  return a.image.empty() ? Task::text_to_image : masked ? Task::inpaint : Task::image_to_image;
}

void read_pictures(const PictureArguments& a, Task task, InpaintOptions& o) {
  if (task == Task::text_to_image) return;
  o.strength = a.strength;
  o.image = read_image(a.image);
  if (!a.mask.empty()) o.mask_image = read_image(a.mask);
  // Settings tell the size that was drawn at: where that follows from the picture, the result is to have the picture's.
  const Margins& m = o.extend;
  if (!a.settings.empty() && task == Task::inpaint && o.width == on_grid(o.image.width + m.left + m.right) &&
      o.height == on_grid(o.image.height + m.top + m.bottom)) {
    o.width = o.height = 0;
  }
}

Margins parse_margins(const std::string& text) {
  const auto refuse = [&](const std::string& why) { throw CLI::ValidationError("--extend", why + "; write it as left=128,bottom=64 or all=64"); };
  Margins m;
  const std::map<std::string, std::vector<int*>> sides{
      {"left", {&m.left}}, {"top", {&m.top}}, {"right", {&m.right}}, {"bottom", {&m.bottom}}, {"all", {&m.left, &m.top, &m.right, &m.bottom}}};
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::string name = part.substr(0, part.find('='));
    const auto side = sides.find(name);
    if (side == sides.end()) refuse(in_quotes(name) + " is not a side");
    int pixels = -1;
    const char* end = part.data() + part.size();
    const char* begin = part.data() + std::min(part.size(), name.size() + 1);
    const auto [stop, error] = std::from_chars(begin, end, pixels);
    if (error != std::errc() || stop != end || pixels < 0) refuse(in_quotes(part) + " has no number of pixels");
    for (int* margin : side->second) *margin = pixels;
  }
  if (!extends(m)) refuse(in_quotes(text) + " does not grow the picture");
  return m;
}

}  // namespace impasto::cli
