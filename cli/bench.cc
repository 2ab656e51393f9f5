#include "cli/bench.h"

#include <cstdio>

#include "cli/arguments.h"
#include "cli/machine_arguments.h"
#include "cli/ready_parts.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/text.h"

namespace impasto::cli {
namespace {

std::string with_digits(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// A stage or a family of operations: its time, work, rate, and the share of the peak. Empty cells where work is not counted.
Row row_of(const std::string& name, double milliseconds, double gflop, double peak) {
  Row row = {name, with_digits(milliseconds, milliseconds < 10 ? 2 : 1), "", "", ""};
  if (gflop <= 0 || milliseconds <= 0) return row;
  const double rate = 1e3 * gflop / milliseconds;
  row[2] = with_digits(gflop, gflop < 10 ? 2 : 1);
  row[3] = with_digits(rate, 0);
  if (peak > 0) row[4] = with_digits(100 * rate / peak, 0) + " %";
  return row;
}

std::string stages_table(const BenchmarkReport& report) {
  std::vector<Row> rows = {{"", "ms", "GFLOP", "GFLOP/s", "of peak"}};
  const auto add = [&](const char* title, const BenchmarkStage& stage) {
    rows.push_back(row_of(title, stage.milliseconds, stage.gflop(), report.product_peak_gflops));
    for (const BenchmarkFamily& f : stage.families) rows.push_back(row_of("  " + f.name, f.milliseconds, f.gflop, report.product_peak_gflops));
  };
  add("text, both prompts", report.text_encode);
  add("UNet step, guided", report.unet_step);
  add("VAE decode", report.vae_decode);
  return table(rows, /*text_columns=*/1);
}

std::string threads_text(int threads) {
  if (threads == 0) return "";  // a GPU
  return std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ");
}

std::string picture_text(const BenchmarkReport& r) {
  if (r.picture_milliseconds == 0) return "";
  return "\nWhole picture, prompt to PNG: " + with_digits(r.picture_milliseconds, 0) + " ms\n";
}

void print_text(const BenchmarkReport& r, const std::string& model) {
  print_line(printable(model) + ", " + std::to_string(r.width) + " x " + std::to_string(r.height) + ", " + r.dtype + "\n" + printable(r.device) +
             ", " + r.instructions + ", " + threads_text(r.threads) + "peak " + with_digits(r.product_peak_gflops, 0) + " GFLOP/s\n\n" +
             stages_table(r) + picture_text(r) + "\nPeak memory" + (r.threads == 0 ? " of the host " : " ") + in_bytes(r.peak_rss_bytes) +
             ". Convolutions count by the direct formula, so Winograd's can exceed the peak.");
}

Json stage_json(const BenchmarkStage& stage, double peak) {
  Json families = Json::object();
  for (const BenchmarkFamily& f : stage.families) families[f.name] = {{"ms", f.milliseconds}, {"gflop", f.gflop}};
  const double rate = stage.milliseconds > 0 ? 1e3 * stage.gflop() / stage.milliseconds : 0;
  return {
      {"ms", stage.milliseconds}, {"gflop", stage.gflop()}, {"gflops", rate}, {"share_of_peak", peak > 0 ? rate / peak : 0}, {"families", families}};
}

void print_as_json(const BenchmarkReport& r, const std::string& model) {
  print_json({{"model", model},
              {"width", r.width},
              {"height", r.height},
              {"dtype", r.dtype},
              {"device", r.device},
              {"instructions", r.instructions},
              {"threads", r.threads},
              {"fma_peak_gflops", r.fma_peak_gflops},
              {"product_peak_gflops", r.product_peak_gflops},
              {"text_encode_ms", r.text_encode.milliseconds},
              {"unet_step_ms", r.unet_step.milliseconds},
              {"vae_decode_ms", r.vae_decode.milliseconds},
              {"picture_ms", r.picture_milliseconds},
              {"peak_rss_bytes", r.peak_rss_bytes},
              {"stages",
               {{"text_encode", stage_json(r.text_encode, r.product_peak_gflops)},
                {"unet_step", stage_json(r.unet_step, r.product_peak_gflops)},
                {"vae_decode", stage_json(r.vae_decode, r.product_peak_gflops)}}}});
}

}  // namespace

CLI::App* add_bench(CLI::App& app, BenchArguments& a) {
  CLI::App* command = app.add_subcommand("bench", "Measure how fast a checkpoint draws on this machine, and where the time goes.");
  add_machine(*command, a.model, a.load);
  auto* width = add_side(*command, "-W,--width", a.options.width, "Width in pixels, a multiple of 8 (default: the model's own)");
  auto* height = add_side(*command, "-H,--height", a.options.height, "Height in pixels, a multiple of 8 (default: the model's own)");
  auto* rounds = add_integer(*command, "--rounds", a.options.rounds, "Turns to take the median of, after one that warms up");
  auto* steps = add_integer(*command, "--steps", a.options.picture_steps, "Draw whole pictures of so many steps, too (default: none)");
  for (auto* option : {width, height, rounds, steps}) option->group("Work");
  command->add_flag("--json", a.json, "One JSON object on standard output")->group("Output");
  command->footer("Examples:\n  impasto bench\n  impasto bench -m models/sd15 --dtype bfloat16 --json\n  impasto bench --device cuda -W 512 -H 512");
  return command;
}

int bench(const BenchArguments& arguments) {
  const std::string model = ready_model(arguments.model, /*quiet=*/false);
  ready_parts(arguments.load.parts, arguments.model, /*quiet=*/false);
  ready_tokenizer(inspect(model, arguments.load.parts), /*quiet=*/false);
  const BenchmarkReport report = benchmark(model, arguments.load, arguments.options);
  arguments.json ? print_as_json(report, model) : print_text(report, model);
  return 0;
}

}  // namespace impasto::cli
