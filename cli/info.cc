#include "cli/info.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "cli/arguments.h"
#include "cli/machine_arguments.h"
#include "cli/ready_parts.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/text.h"
#include "impasto/ip_adapter.h"
#include "impasto/pipeline.h"

namespace impasto::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string components_table(const ModelInfo& model) {
  std::vector<Row> rows = {{"component", "class", "parameters", "on disk", "stored as"}};
  ComponentInfo sum;
  for (const ComponentInfo& c : model.components) {
    rows.push_back({printable(c.name), printable(c.class_name), in_thousands(c.parameters), in_bytes(c.bytes), joined(c.dtypes)});
    sum.parameters += c.parameters;
    sum.bytes += c.bytes;
  }
  rows.push_back({"all", "", in_thousands(sum.parameters), in_bytes(sum.bytes), ""});
  return table(rows, /*text_columns=*/2);
}

std::string size_text(int width, int height) { return std::to_string(width) + " x " + std::to_string(height); }

void print_text(const ModelInfo& model, const InfoArguments& size, std::int64_t memory) {
  const std::string pictures = size.num_images == 1 ? "one picture" : std::to_string(size.num_images) + " pictures";
  std::string notes;
  for (const auto& note : model.notes) notes += "\n\nNote: " + printable(note) + ".";
  print_line(printable(model.path) + "\n" +
             table({{"format", printable(model.format)},
                    {"pipeline", printable(model.pipeline_class)},
                    {"scheduler", printable(model.scheduler)},
                    {"predicts", printable(model.prediction_type)},
                    {"own size", size_text(model.width, model.height)},
                    {"latents", std::to_string(model.latent_channels) + " channels"},
                    {"safety checker", model.safety_checker ? "yes" : "none"}},
                   /*text_columns=*/2) +
             "\n" + components_table(model) + "\nDrawing " + pictures + " of " + size_text(size.width, size.height) + " is expected to need " +
             in_bytes(memory) + " of memory at its peak." + notes);
}

Json components_json(const ModelInfo& model) {
  Json components = Json::array();
  for (const ComponentInfo& c : model.components) {
    components.push_back({{"name", c.name}, {"class_name", c.class_name}, {"parameters", c.parameters}, {"bytes", c.bytes}, {"dtypes", c.dtypes}});
  }
  return components;
}

void print_as_json(const ModelInfo& model, const InfoArguments& size, std::int64_t memory) {
  print_json({{"path", model.path},
              {"format", model.format},
              {"pipeline_class", model.pipeline_class},
              {"scheduler", model.scheduler},
              {"prediction_type", model.prediction_type},
              {"width", model.width},
              {"height", model.height},
              {"latent_channels", model.latent_channels},
              {"inpainting", model.inpainting},
              {"editing", model.editing},
              {"safety_checker", model.safety_checker},
              {"notes", model.notes},
              {"components", components_json(model)},
              {"predicted_peak_memory", {{"width", size.width}, {"height", size.height}, {"num_images", size.num_images}, {"bytes", memory}}}});
}

std::optional<IpAdapterInfo> ip_adapter_in(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  return inspect_ip_adapter(path);
}

void print_ip_adapter(const std::string& path, const IpAdapterInfo& adapter, bool json) {
  if (json)
    return print_json({{"path", path},
                       {"kind", adapter.kind},
                       {"cross_attentions", adapter.cross_attentions},
                       {"cross_attention_dim", adapter.cross_attention_dim},
                       {"image_channels", adapter.image_channels},
                       {"parameters", adapter.parameters}});
  print_line(printable(path) + "\n" +
             table({{"kind", adapter.kind},
                    {"for UNets of", std::to_string(adapter.cross_attentions) + " cross-attentions, cross_attention_dim " +
                                         std::to_string(adapter.cross_attention_dim)},
                    {"for image encoders of", std::to_string(adapter.image_channels) + " columns"},
                    {"parameters", in_thousands(adapter.parameters)}},
                   /*text_columns=*/2));
}

}  // namespace

CLI::App* add_info(CLI::App& app, InfoArguments& a) {
  CLI::App* command = app.add_subcommand("info", "Show what a checkpoint holds and how much memory drawing from it needs.");
  add_model(*command, "model,-m,--model", a.model);
  add_parts(*command, a.parts);
  add_side(*command, "-W,--width", a.width, "Width to predict the memory for, in pixels (default: the model's own)");
  add_side(*command, "-H,--height", a.height, "Height to predict the memory for, in pixels (default: the model's own)");
  add_integer(*command, "-b,--num-images,--batch-count", a.num_images, "How many pictures are drawn together");
  command->add_flag("--json", a.json, "One JSON object on standard output");
  command->footer(
      "Examples:\n  impasto info models/sd15\n  impasto info v1-5-pruned-emaonly.safetensors\n  impasto info models/sd15 -W 768 -H 768 -b 4 --json");
  return command;
}

int info(const InfoArguments& arguments) {
  const std::string path = ready_model(arguments.model, /*quiet=*/false);
  if (const auto adapter = ip_adapter_in(path)) {
    print_ip_adapter(path, *adapter, arguments.json);
    return 0;
  }
  ready_parts(arguments.parts, arguments.model, /*quiet=*/false);
  const ModelInfo model = inspect(path, arguments.parts);
  InfoArguments size = arguments;
  if (size.width == 0) size.width = model.width;
  if (size.height == 0) size.height = model.height;
  const std::int64_t memory = predicted_peak_memory(model, size.height, size.width, size.num_images);
  size.json ? print_as_json(model, size, memory) : print_text(model, size, memory);
  return 0;
}

}  // namespace impasto::cli
