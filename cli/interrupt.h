// Ctrl-C: the first asks the work to stop at its next operation, the second ends the process.
#pragma once

namespace impasto::cli {

/// Takes SIGINT and SIGTERM for the rest of the process.
void catch_interrupts();

/// Whether the user has asked to stop.
bool interrupted();

/// While one lives, a second Ctrl-C does not end the process, so that no temporary file is left behind.
class HoldInterrupts {
 public:
  HoldInterrupts();
  ~HoldInterrupts();
  HoldInterrupts(const HoldInterrupts&) = delete;
  HoldInterrupts& operator=(const HoldInterrupts&) = delete;
};

}  // namespace impasto::cli
