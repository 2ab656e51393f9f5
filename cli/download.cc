#include "cli/download.h"

#include <cstdio>
#include <filesystem>

#include "cli/arguments.h"
#include "cli/default_model.h"
#include "cli/download_bar.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/verify.h"
#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {
namespace {

/// Runs f(options), with a bar on standard error.
template <typename F>
auto with_bar(DownloadOptions options, bool quiet, const F& f) {
  catch_interrupts();
  DownloadBar bar(quiet ? ProgressStyle::silent : style_for_stderr(), "Downloading");
  options.on_progress = [&](const DownloadProgress& p) { bar.show(p); };
  options.should_stop = interrupted;
  return f(options);
}

void tell(const DownloadedModel& model) {
  const std::string files = std::to_string(model.files) + (model.files == 1 ? " file, " : " files, ") + in_bytes(model.bytes);
  const std::string fetched = model.fetched_bytes > 0 ? in_bytes(model.fetched_bytes) + " fetched" : "nothing to fetch";
  std::fprintf(stderr, "%s; %s\n", files.c_str(), fetched.c_str());
}

}  // namespace

CLI::App* add_download(CLI::App& app, DownloadArguments& a) {
  CLI::App* command = app.add_subcommand("download", "Fetch a model from the Hugging Face Hub, or what is new of it.");
  auto* model = command->add_option("model", a.model, "ORG/NAME, ORG/NAME@REVISION (branch, tag or commit), or ORG/NAME/FILE.safetensors");
  model->type_name("ORG/NAME")->required();
  command->add_option("--variant", a.variant, "fp16: float16 weights where the model has them, half the bytes")->type_name("NAME");
  auto* file = command->add_option(
      "--file", a.files,
      "This file of the model (or all that match, as in 'vae/*.json') instead of those that drawing needs; may be given more than once");
  file->type_name("PATH")->take_all();
  add_integer(*command, "-j,--max-workers", a.max_workers, "Files that are fetched at the same time");
  command->add_flag("--verify", a.verify, "Read again what is there already, and fetch anew what is damaged");
  command->add_flag("-q,--quiet", a.quiet, "No progress and no summary; only warnings and errors");
  command->add_flag("--json", a.json, "One JSON object on standard output");
  command->footer(
      "The folder goes to standard output. Models lie where huggingface_hub keeps them\n(HF_HOME). An attempt that was broken off goes on where it "
      "stopped.\n\n"
      "Examples:\n  impasto download stable-diffusion-v1-5/stable-diffusion-v1-5 --variant fp16\n"
      "  impasto generate \"a red boat\" -m stable-diffusion-v1-5/stable-diffusion-v1-5");
  return command;
}

int download(const DownloadArguments& a) {
  DownloadOptions options;
  options.variant = a.variant;
  options.files = a.files;
  options.max_workers = a.max_workers;
  options.verify = a.verify;
  const DownloadedModel model = fetch(a.model, options, a.quiet);
  if (!a.quiet) tell(model);
  if (a.json) {
    print_json(
        {{"path", model.path}, {"commit", model.commit}, {"files", model.files}, {"bytes", model.bytes}, {"fetched_bytes", model.fetched_bytes}});
  } else {
    print_line(model.path);
  }
  return 0;
}

DownloadedModel fetch(const std::string& model, const DownloadOptions& options, bool quiet) {
  return with_bar(options, quiet, [&](const DownloadOptions& o) { return impasto::download(model, o); });
}

std::string ready_model(const ModelChoice& choice, bool quiet) {
  const std::string model = model_or_default(choice.name);
  if (!names_model_on_hub(model)) return model;
  if (const auto cached = cached_model(model, choice.variant)) {
    if (choice.verify) require_intact(model, quiet);
    return *cached;
  }
  const std::string first = model.substr(0, model.find('/'));
  std::error_code error;
  if (std::filesystem::is_directory(first, error))
    throw Error(ErrorKind::not_found, model + ": no such folder. Since there is a folder " + first +
                                          ", it is not looked for on the Hub; if it is a model there: impasto download " + model);
  if (!quiet) std::fprintf(stderr, "Downloading %s\n", printable(model).c_str());
  DownloadOptions options;
  options.variant = choice.variant;
  return fetch(model, options, quiet).path;
}

void ready_tokenizer(const ModelInfo& model, bool quiet) {
  if (!model.tokenizer.empty()) return;
  if (!quiet) std::fputs("Downloading the tokenizer that the model came without\n", stderr);
  try {
    with_bar({}, quiet, [](const DownloadOptions& o) { return download_tokenizer(o); });
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    throw Error(error.kind(), model.path + ": came without a tokenizer, and the usual one could not be fetched: " + error.what() +
                                  "; name a folder with its vocab.json and merges.txt: --tokenizer DIR");
  }
}

}  // namespace impasto::cli
