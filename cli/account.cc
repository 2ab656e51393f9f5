#include "cli/account.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/text.h"
#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {
namespace {

/// While one lives, the terminal does not show what is typed.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~NoEcho() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

/// Not that of an endpoint with a user name and password in it, which is refused later.
std::string page_of_tokens() {
  const char* endpoint = std::getenv("HF_ENDPOINT");
  std::string page = endpoint != nullptr && *endpoint != '\0' ? endpoint : "https://huggingface.co";
  if (page.find('@') != std::string::npos) return "the Hub's page /settings/tokens";
  while (page.ends_with('/')) page.pop_back();
  return page + "/settings/tokens";
}

/// The first line of standard input. Waits in steps, so that Ctrl-C ends it with the terminal as it was.
std::string read_line() {
  constexpr std::size_t kLongest = 4096;
  std::string line;
  for (;;) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ready = ::poll(&input, 1, /*milliseconds=*/200);
    if (interrupted()) throw Error(ErrorKind::cancelled, "stopped; nothing was kept");
    if (ready <= 0) continue;
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || c == '\n') return line;
    if (line.size() >= kLongest) throw Error(ErrorKind::invalid_argument, "standard input is longer than any token");
    line += c;
  }
}

std::string read_token() {
  if (::isatty(STDIN_FILENO) != 1) return read_line();
  const NoEcho no_echo;  // before it asks: it throws away what was typed until now
  std::fprintf(stderr, "Token (from %s; it is not shown): ", printable(page_of_tokens()).c_str());
  const std::string token = read_line();
  std::fputs("\n", stderr);
  return token;
}

/// " as NAME", or "" where it could not be asked.
std::string checked(const std::string& token) {
  try {
    return " as " + token_account(token);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io) throw;
    warn(std::string("the token could not be checked: ") + error.what());
    return "";
  }
}

void warn_of_variable() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0')
      warn(std::string("the environment variable ") + name + " holds a token too, and wins over the one that is kept");
  }
}

}  // namespace

CLI::App* add_login(CLI::App& app, LoginArguments& a) {
  CLI::App* command = app.add_subcommand("login", "Keep a token for gated and private models on the Hugging Face Hub.");
  command->add_flag("!--no-check", a.check, "Do not ask the Hub whose token it is");
  command->footer(
      "The token is asked for without being shown, or read from standard input. It is\nkept where huggingface_hub keeps it, readable by you "
      "alone.\n\n"
      "Examples:\n  impasto login\n  impasto login < token.txt");
  return command;
}

CLI::App* add_logout(CLI::App& app) { return app.add_subcommand("logout", "Forget the token that login has kept."); }

int login(const LoginArguments& arguments) {
  catch_interrupts();
  const std::string token = read_token();
  if (token.find_first_not_of(" \t\r") == std::string::npos) throw Error(ErrorKind::invalid_argument, "no token was given; nothing was kept");
  const std::string account = arguments.check ? checked(token) : "";
  const std::string file = save_token(token);
  print_line("Logged in" + printable(account) + "; the token is kept in " + printable(file));
  warn_of_variable();
  return 0;
}

int logout() {
  const std::string file = forget_token();
  print_line(file.empty() ? "No token was kept" : "Logged out; " + printable(file) + " is removed");
  std::error_code error;
  const auto others = std::filesystem::path(file).parent_path() / "stored_tokens";
  if (!file.empty() && std::filesystem::exists(others, error))
    warn("huggingface_hub keeps tokens in " + others.string() + ", too; hf auth logout removes them");
  warn_of_variable();
  return 0;
}

}  // namespace impasto::cli
