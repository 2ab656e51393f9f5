#include "cli/process.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temporary_folder.h"

namespace impasto::cli::test {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void set_up(const Setting& setting) {
  for (const auto& variable : setting.environment) {
    const auto at = variable.find('=');
    at == std::string::npos ? ::unsetenv(variable.c_str()) : ::setenv(variable.substr(0, at).c_str(), variable.c_str() + at + 1, 1);
  }
  if (::chdir(setting.folder.c_str()) != 0) ::_exit(98);
  if (setting.prepare) setting.prepare();
}

[[noreturn]] void become_command(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>("impasto")};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  ::execv(IMPASTO_COMMAND, argv.data());
  ::_exit(99);
}

void redirect(const std::string& path, int flags, int fd) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, fd) < 0) ::_exit(97);
  ::close(file);
}

Ran wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  Ran ran;
  if (WIFEXITED(status)) ran.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ran.signal = WTERMSIG(status);
  return ran;
}

bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

Ran run_files(const std::vector<std::string>& arguments, const Setting& setting, const std::string& text, int signal) {
  const ::impasto::test::TemporaryFolder files;
  std::ofstream(files / "in", std::ios::binary) << setting.input;
  const pid_t child = ::fork();
  if (child == 0) {
    redirect(files / "in", O_RDONLY, 0);
    redirect(setting.out_path.empty() ? files / "out" : setting.out_path, O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(files / "err", O_WRONLY | O_CREAT | O_TRUNC, 2);
    set_up(setting);
    become_command(arguments);
  }
  if (signal != 0) {
    while (!has_ended(child) && contents(files / "err").find(text) == std::string::npos) ::usleep(2000);
    ::kill(child, signal);
  }
  Ran ran = wait_for(child);
  ran.out = contents(files / "out");
  ran.err = contents(files / "err");
  return ran;
}

}  // namespace

Ran run(const std::vector<std::string>& arguments, const Setting& setting) { return run_files(arguments, setting, "", 0); }

Ran run_and_signal(const std::vector<std::string>& arguments, const std::string& text, int signal, const Setting& setting) {
  return run_files(arguments, setting, text, signal);
}

Ran run_on_terminal(const std::vector<std::string>& arguments, int columns, const Setting& setting, const std::string& text,
                    const std::string& keys) {
  const winsize size{24, static_cast<unsigned short>(columns), 0, 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    ::setenv("TERM", "xterm", 1);
    set_up(setting);
    become_command(arguments);
  }
  std::string received;
  bool typed = keys.empty();
  char buffer[4096];
  for (ssize_t n; (n = ::read(terminal, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {  // EIO when the command has ended
    if (n > 0) received.append(buffer, static_cast<std::size_t>(n));
    if (!typed && received.find(text) != std::string::npos) typed = ::write(terminal, keys.data(), keys.size()) > 0;
  }
  Ran ran = wait_for(child);
  ::close(terminal);
  ran.out = received;
  return ran;
}

}  // namespace impasto::cli::test
