#include "cli/xl_arguments.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cli/arguments.h"

namespace impasto::cli {
namespace {

/// Two whole numbers with `between` between them.
std::pair<int, int> two_numbers(const std::string& option, const std::string& text, char between, const char* example) {
  const std::size_t middle = text.find(between);
  const auto number = [&](const std::string& digits) {
    int value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (middle == std::string::npos || error != std::errc() || end != digits.data() + digits.size() || value < 0)
      throw CLI::ValidationError(option, "\"" + text + "\" is not understood; write it as " + example);
    return value;
  };
  return {number(text.substr(0, middle)), number(middle == std::string::npos ? "" : text.substr(middle + 1))};
}

PicturePoint parse_point(const std::string& option, const std::string& text) {
  const auto [top, left] = two_numbers(option, text, ',', "0,64 (top, left)");
  return {.top = top, .left = left};
}

std::vector<CLI::Option*> add_conditions(CLI::App& app, const std::string& prefix, const std::string& whose, MicroConditions& m) {
  const auto add = [&](const std::string& name, const char* type, const std::string& description, auto take) {
    const std::string option = "--" + prefix + name;
    const auto parse = [take, option](const std::string& text) { take(option, text); };
    return app.add_option_function<std::string>(option, parse, description + whose)->type_name(type);
  };
  return {add("original-size", "WxH", "What size the model is to think the picture once had: small ones look enlarged (default: the picture's)",
              [&m](const auto& option, const auto& text) { m.original_size = parse_size(option, text); }),
          add("crops-coords-top-left", "TOP,LEFT", "How much the model is to think was cut off at the top and the left (default 0,0)",
              [&m](const auto& option, const auto& text) { m.crops_coords_top_left = parse_point(option, text); }),
          add("target-size", "WxH", "What size it is to think the picture has (default: the picture's)",
              [&m](const auto& option, const auto& text) { m.target_size = parse_size(option, text); })};
}

bool has_network(const ModelInfo& model, const char* name) {
  return std::any_of(model.components.begin(), model.components.end(), [&](const ComponentInfo& c) { return c.name == name; });
}

}  // namespace

bool is_xl(const ModelInfo& model) { return has_network(model, "text_encoder_2"); }

bool is_refiner(const ModelInfo& model) { return is_xl(model) && !has_network(model, "text_encoder"); }

PictureSize parse_size(const std::string& option, const std::string& text) {
  const auto [width, height] = two_numbers(option, text, 'x', "1024x768 (width, height)");
  return {.height = height, .width = width};
}

void add_xl_options(CLI::App& app, RefinerArguments& refiner, TextToImageOptions& o) {
  auto* second = app.add_option("--prompt-2", o.prompt_2, "What the second text encoder reads (default: the prompt)")->type_name("PROMPT");
  auto* negative = app.add_option("--negative-prompt-2", o.negative_prompt_2, "The same of the negative prompt")->type_name("TEXT");
  must_be_text(second), must_be_text(negative);
  auto* model = app.add_option("--refiner", refiner.model.name, "A model that goes on where the first one stops, named as --model");
  model->type_name("MODEL");
  auto* start = add_number(app, "--refiner-start,--refiner-switch-at", refiner.start, "Where: after this share of the way, between 0 and 1");
  start->needs(model);
  auto* score =
      add_number(app, "--aesthetic-score", o.aesthetic_score, "How well people are to like the picture, of refiners: 0 to 100, learned from 1 to 10");
  auto* negative_score = add_number(app, "--negative-aesthetic-score", o.negative_aesthetic_score, "And what to keep away from");
  for (auto* option : {second, negative, model, start, score, negative_score}) option->group("Stable Diffusion XL");
  for (auto* option : add_conditions(app, "", "", o.micro_conditions)) option->group("Stable Diffusion XL");
  for (auto* option : add_conditions(app, "negative-", ", of the negative prompt's side", o.negative_micro_conditions))
    option->group("Stable Diffusion XL");
}

}  // namespace impasto::cli
