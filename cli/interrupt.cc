#include "cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace impasto::cli {
namespace {

std::atomic<int> requests{0};
std::atomic<bool> held{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

void on_signal(int signal) {
  if (requests.fetch_add(1) == 0 || held) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);  // delivered when the handler returns: the shell sees that a signal ended us
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return requests > 0; }

HoldInterrupts::HoldInterrupts() { held = true; }
HoldInterrupts::~HoldInterrupts() { held = false; }

}  // namespace impasto::cli
