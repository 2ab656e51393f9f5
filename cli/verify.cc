#include "cli/verify.h"

#include "cli/download_bar.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/text.h"
#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {
namespace {

std::string listed(const std::vector<std::string>& paths) {
  constexpr std::size_t kMost = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(paths.size(), kMost); ++i) text += (i > 0 ? ", " : "") + printable(paths[i]);
  return paths.size() > kMost ? text + " and " + std::to_string(paths.size() - kMost) + " more" : text;
}

VerifiedModel read(const std::string& model, bool quiet) {
  catch_interrupts();
  DownloadBar bar(quiet ? ProgressStyle::silent : style_for_stderr(), "Verifying");
  VerifyOptions options;
  options.on_progress = [&](const DownloadProgress& p) { bar.show(p); };
  options.should_stop = interrupted;
  return verify_model(model, options);
}

/// What nobody has published may be anything, so that it counts as damaged.
void require_as_published(const std::string& name, const VerifiedModel& model) {
  if (model.damaged.empty() && model.unchecked.empty()) return;
  const std::string damaged = model.damaged.empty() ? "" : "damaged: " + listed(model.damaged);
  const std::string unknown =
      model.unchecked.empty() ? "" : "no links to published content, so that nothing says what they should hold: " + listed(model.unchecked);
  throw Error(ErrorKind::bad_file, model.path + ": " + damaged + (damaged.empty() || unknown.empty() ? "" : "; ") + unknown +
                                       "; to put what the Hub publishes in its place: impasto download " + name + " --verify" +
                                       (unknown.empty() ? "" : " (a file that the model does not have must be deleted)"));
}

}  // namespace

CLI::App* add_verify(CLI::App& app, VerifyArguments& a) {
  CLI::App* command = app.add_subcommand("verify", "Read a downloaded model again and compare it with its published hashes.");
  command->add_option("model", a.model, "ORG/NAME, ORG/NAME@REVISION or ORG/NAME/FILE")->type_name("ORG/NAME")->required();
  command->add_flag("-q,--quiet", a.quiet, "No progress; only warnings and errors");
  command->add_flag("--json", a.json, "One JSON object on standard output");
  command->footer(
      "Nothing is asked of the network. Ends with code 2 when a file is damaged\nor is no link to published content.\n\nExamples:\n  impasto verify "
      "stable-diffusion-v1-5/stable-diffusion-v1-5");
  return command;
}

int verify(const VerifyArguments& a) {
  const VerifiedModel model = read(a.model, a.quiet);
  require_as_published(a.model, model);
  if (!model.writable_by_others.empty()) warn("others may write to " + listed(model.writable_by_others));
  if (a.json) {
    print_json({{"path", model.path}, {"files", model.files}, {"bytes", model.bytes}, {"writable_by_others", model.writable_by_others}});
  } else {
    print_line(std::to_string(model.files) + " files, " + in_bytes(model.bytes) + ", as published");
  }
  return 0;
}

void require_intact(const std::string& model, bool quiet) { require_as_published(model, read(model, quiet)); }

}  // namespace impasto::cli
