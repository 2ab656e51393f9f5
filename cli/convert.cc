#include "cli/convert.h"

#include <filesystem>

#include "cli/download.h"
#include "cli/interrupt.h"
#include "cli/machine_arguments.h"
#include "cli/progress.h"
#include "cli/ready_parts.h"
#include "cli/report.h"
#include "cli/text.h"
#include "impasto/error.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

CLI::App* add_convert(CLI::App& app, ConvertArguments& a) {
  CLI::App* command = app.add_subcommand("convert", "Write a model in another layout, format or element type.");
  command->add_option("model,-m,--model", a.model, "Model to read: a folder, a single file, or ORG/NAME of a model on the Hub")->type_name("MODEL");
  command
      ->add_option(
          "-o,--output", a.output,
          "Where to: NAME.safetensors and NAME.gguf are single files, another name a folder in the diffusers layout; a VAE or a text encoder "
          "alone becomes NAME.safetensors")
      ->type_name("PATH");
  command
      ->add_option("--dtype", a.options.dtype,
                   "Element type to write: float32, float16, bfloat16; for GGUF also q8_0, q4_0 (default: each tensor's own; float16 where a "
                   "GGUF file packs it)")
      ->type_name("NAME");
  add_parts(*command, a.options.parts);
  command->add_flag("-q,--quiet", a.quiet, "No progress and no summary; only warnings and errors");
  command->add_flag("--json", a.json, "One JSON object on standard output");
  command->footer(
      "Examples:\n  impasto convert v1-5-pruned.ckpt -o v1-5.safetensors --dtype float16\n"
      "  impasto convert models/sd15 -o sd15-q8.gguf --dtype q8_0\n"
      "  impasto convert v2-1.safetensors -o models/sd21 --tokenizer models/sd15/tokenizer\n"
      "  impasto convert models/sd15 -o sd15-vae2.safetensors --vae vae-ft-mse.safetensors");
  return command;
}

namespace {

/// Whether what is written is a folder, which has a tokenizer in it. A name with another ending is refused later or is a folder's, too.
bool becomes_folder(const std::string& output) {
  const std::filesystem::path path(output);
  return !path.has_extension() && !path.filename().string().starts_with('.');
}

}  // namespace

int convert(const ConvertArguments& arguments) {
  if (arguments.model.empty())
    throw Error(ErrorKind::invalid_argument, "model: say what to convert, as in: impasto convert model.ckpt -o model.safetensors");
  if (arguments.output.empty()) throw Error(ErrorKind::invalid_argument, "--output: say where to write the converted model");
  catch_interrupts();
  const std::string model = ready_model({.name = arguments.model}, arguments.quiet);
  ready_parts(arguments.options.parts, {}, arguments.quiet);
  if (becomes_folder(arguments.output) && arguments.options.parts.tokenizer.empty())
    ready_tokenizer(inspect(model, arguments.options.parts), arguments.quiet);
  Progress progress(arguments.quiet ? ProgressStyle::silent : style_for_stderr());
  ConvertOptions options = arguments.options;
  options.should_stop = interrupted;
  options.on_progress = [&, last = -1](std::int64_t done, std::int64_t total) mutable {
    const int percent = total > 0 ? static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total)) : 100;
    if (last < 0) progress.begin("Writing", 100);
    if (percent > last) progress.step(last = percent, 100);
  };
  const ConvertResult result = [&] {
    try {
      return impasto::convert(model, arguments.output, options);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw Error(ErrorKind::cancelled, "stopped; nothing was written");
      throw;
    }
  }();
  progress.end();
  for (const auto& warning : result.warnings) warn(warning);
  if (arguments.json)
    print_json({{"output", arguments.output}, {"format", result.format}, {"bytes", result.bytes}, {"warnings", result.warnings}});
  else if (!arguments.quiet)
    print_line(printable(arguments.output) + ": " + result.format + ", " + in_bytes(result.bytes));
  return 0;
}

}  // namespace impasto::cli
