// What a waiting person sees on standard error.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace impasto::cli {

/// A moment of one phase of the work: loading, drawing, decoding.
struct ProgressState {
  std::string label = {};   ///< "Drawing"
  int done = 0, total = 0;  ///< steps; total 0 when the phase has none
  double elapsed = 0;       ///< seconds since the phase began
  double per_step = 0;      ///< seconds; 0 while unknown
  double since_step = 0;    ///< seconds since the last step
  bool stopping = false;    ///< Ctrl-C was pressed
};

int columns_of_stderr();

/// "[====>   ]", `width` characters wide (at least 3), of which the share `done` is filled.
std::string bar(double done, std::size_t width);

/// One line that leaves the last 3 columns free: "Drawing [====>     ] 12/50  1.23 s/step  0:46 left", or what of it fits.
std::string progress_line(const ProgressState& state, int columns);

/// One line for logs: "Drawing 12/50  1.23 s/step  0:46 left".
std::string progress_entry(const ProgressState& state);

enum class ProgressStyle {
  bar,    ///< one line, redrawn in place
  lines,  ///< a line per phase, and one per 5 % of the steps
  silent,
};

/// The bar on a terminal, lines elsewhere.
ProgressStyle style_for_stderr();

/// How long steps took, for the forecast.
class StepTimes {
 public:
  using Clock = std::chrono::steady_clock;

  void begin() { *this = {}; }
  void step();

  int count() const { return count_; }
  double elapsed() const { return elapsed_; }  ///< from begin() to the last step
  double first() const { return first_; }      ///< this one also encodes the prompt and picks kernels
  double since_step() const;                   ///< from the last step until now
  /// A step after the first, on average; the first itself when it was the only one; 0 before it.
  double mean() const { return count_ > 1 ? (elapsed_ - first_) / (count_ - 1) : first_; }

 private:
  Clock::time_point began_ = Clock::now(), stepped_ = began_;
  int count_ = 0;
  double elapsed_ = 0, first_ = 0;
};

/// Shows the phases one after another. All methods are called from one thread; a thread of its own keeps the bar's clock going.
class Progress {
 public:
  explicit Progress(ProgressStyle style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(const std::string& label, int total = 0);
  void step(int done, int total);
  /// Takes the bar away, so that other text can follow.
  void end();

 private:
  void draw_locked();
  void tick(const std::stop_token& stop);

  const ProgressStyle style_;
  ProgressState state_;
  StepTimes::Clock::time_point began_;
  StepTimes steps_;
  int entries_ = 0;        ///< twentieths of the phase that are done and told
  double entry_time_ = 0;  ///< when, on the clock of the steps
  bool shown_ = false;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread ticker_;  // last: it uses all of the above
};

}  // namespace impasto::cli
