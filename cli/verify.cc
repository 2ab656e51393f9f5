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

void require_none_damaged(const std::string& name, const VerifiedModel& model) {
  if (model.damaged.empty()) return;
  throw Error(ErrorKind::bad_file,
              model.path + ": damaged: " + listed(model.damaged) + "; to fetch it again: impasto download " + name + " --verify");
}

}  // namespace

CLI::App* add_verify(CLI::App& app, VerifyArguments& a) {
  CLI::App* command = app.add_subcommand("verify", "Read a downloaded model again and compare it with its published hashes.");
  command->add_option("model", a.model, "ORG/NAME, ORG/NAME@REVISION or ORG/NAME/FILE")->type_name("ORG/NAME")->required();
  command->add_flag("-q,--quiet", a.quiet, "Nothing on standard error but errors");
  command->add_flag("--json", a.json, "One JSON object on standard output");
  command->footer(
      "Nothing is asked of the network. Ends with code 2 when a file is damaged.\n\nExamples:\n  impasto verify "
      "stable-diffusion-v1-5/stable-diffusion-v1-5");
  return command;
}

int verify(const VerifyArguments& a) {
  const VerifiedModel model = read(a.model, a.quiet);
  require_none_damaged(a.model, model);
  if (!model.unchecked.empty()) warn("copies without a published hash, which could not be compared: " + listed(model.unchecked));
  if (!model.writable_by_others.empty()) warn("others may write to " + listed(model.writable_by_others));
  if (a.json) {
    print_json({{"path", model.path},
                {"files", model.files},
                {"bytes", model.bytes},
                {"unchecked", model.unchecked},
                {"writable_by_others", model.writable_by_others}});
  } else {
    print_line(std::to_string(model.files) + " files, " + in_bytes(model.bytes) + ", as published");
  }
  return 0;
}

void require_intact(const std::string& model, bool quiet) { require_none_damaged(model, read(model, quiet)); }

}  // namespace impasto::cli
