// The impasto command. Exit codes: 0 done, 2 bad arguments or input, 1 anything else.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "cli/account.h"
#include "cli/arguments.h"
#include "cli/bench.h"
#include "cli/convert.h"
#include "cli/download.h"
#include "cli/generate.h"
#include "cli/help.h"
#include "cli/info.h"
#include "cli/metadata.h"
#include "cli/recorded_settings.h"
#include "cli/report.h"
#include "cli/schedulers.h"
#include "cli/verify.h"
#include "impasto/impasto.h"

namespace impasto::cli {
namespace {

void set_up(CLI::App& app) {
  app.name("impasto");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(0, 1);
  app.allow_extras();  // parse() names the unknown ones better than CLI11 does
  app.option_defaults()->take_last();
  app.set_help_flag("-h,--help", "Show this page")->group("Help");
  app.set_version_flag("--version", "impasto " + version(), "Show the version")->group("Help");
  app.footer("Start with:\n  impasto generate \"a city skyline at sunset in the style of Van Gogh\"\n  impasto generate --help");
}

int run(int argc, char** argv) {
  CLI::App app("Impasto paints pictures from text with Stable Diffusion.");
  set_up(app);
  GenerateArguments generate_arguments;
  InfoArguments info_arguments;
  SchedulersArguments schedulers_arguments;
  BenchArguments bench_arguments;
  MetadataArguments metadata_arguments;
  DownloadArguments download_arguments;
  VerifyArguments verify_arguments;
  LoginArguments login_arguments;
  ConvertArguments convert_arguments;
  const CLI::App* const generate_command = add_generate(app, generate_arguments);
  const CLI::App* const info_command = add_info(app, info_arguments);
  const CLI::App* const convert_command = add_convert(app, convert_arguments);
  const CLI::App* const schedulers_command = add_schedulers(app, schedulers_arguments);
  const CLI::App* const bench_command = add_bench(app, bench_arguments);
  const CLI::App* const metadata_command = add_metadata(app, metadata_arguments);
  const CLI::App* const download_command = add_download(app, download_arguments);
  const CLI::App* const verify_command = add_verify(app, verify_arguments);
  const CLI::App* const login_command = add_login(app, login_arguments);
  const CLI::App* const logout_command = add_logout(app);
  for (CLI::App* command : app.get_subcommands({})) {
    command->get_help_ptr()->group("");  // who reads its page knows
    require_values(*command, {"prompt", "--prompt", "--negative-prompt", "--prompt-2", "--negative-prompt-2"});
  }
  try {
    parse(app, argc, argv);
    // What the command line says wins over what the picture says.
    if (take_settings_from_picture(generate_arguments)) parse(app, argc, argv);
  } catch (const CLI::Success& page) {
    return app.exit(page);
  }
  if (generate_command->parsed()) return generate(generate_arguments);
  if (info_command->parsed()) return info(info_arguments);
  if (schedulers_command->parsed()) return schedulers(schedulers_arguments);
  if (bench_command->parsed()) return bench(bench_arguments);
  if (metadata_command->parsed()) return metadata(metadata_arguments);
  if (download_command->parsed()) return download(download_arguments);
  if (verify_command->parsed()) return verify(verify_arguments);
  if (login_command->parsed()) return login(login_arguments);
  if (logout_command->parsed()) return logout();
  if (convert_command->parsed()) return convert(convert_arguments);
  std::fputs(app.help().c_str(), stderr);
  return exit_code(ErrorKind::invalid_argument);
}

/// Asked before parsing, since a wrong argument is reported as JSON too.
bool wants_json(int argc, char** argv) {
  return std::any_of(argv + std::min(argc, 1), argv + argc, [](const char* a) { return std::string_view(a) == "--json"; });
}

/// Where the caller closed one of the standard streams, the next file to be opened would take its number, and messages would go into it.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1) static_cast<void>(::open("/dev/null", O_RDWR));  // takes the lowest free number, which is fd
  }
}

Error as_error(const std::exception& e) {
  if (const auto* error = dynamic_cast<const Error*>(&e)) return *error;
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return {ErrorKind::out_of_memory, "there is not enough memory"};
  return {ErrorKind::internal, e.what()};
}

}  // namespace
}  // namespace impasto::cli

int main(int argc, char** argv) {
  namespace cli = impasto::cli;
  cli::fill_standard_streams();
  try {
    return cli::run(argc, argv);
  } catch (const std::exception& e) {
    return cli::report_error(cli::as_error(e), cli::wants_json(argc, argv));
  }
}
