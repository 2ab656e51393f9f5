#include "cli/progress.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/text.h"

namespace impasto::cli {
namespace {

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

std::string steps_text(const ProgressState& s) {
  const std::string total = std::to_string(s.total), done = std::to_string(s.done);
  return std::string(total.size() - std::min(total.size(), done.size()), ' ') + done + "/" + total;
}

std::string time_text(const ProgressState& s) {
  if (s.stopping) return "stopping after this step";
  if (s.per_step <= 0) return as_clock(s.elapsed);
  // Between steps the clock runs on, but never past the step that is due.
  return as_clock(s.per_step * (s.total - s.done) - std::min(s.since_step, s.per_step)) + " left";
}

std::string speed_text(const ProgressState& s) { return s.per_step > 0 && !s.stopping ? in_seconds(s.per_step) + "/step" : ""; }

std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() || part.empty() ? "" : "  ") + part;
  return text;
}

}  // namespace

int columns_of_stderr() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double done, std::size_t width) {
  const std::size_t inside = width - 2;
  // Half a millionth more: a fraction such as 1/3 must not fall below the character that it reaches.
  const auto filled = static_cast<std::size_t>(static_cast<double>(inside) * std::clamp(done, 0.0, 1.0) + 5e-7);
  std::string text(inside, ' ');
  std::fill_n(text.begin(), filled, '=');
  if (filled < inside) text[filled] = '>';
  return "[" + text + "]";
}

std::string progress_entry(const ProgressState& s) {
  return s.total == 0 ? joined({s.label, as_clock(s.elapsed), s.stopping ? "stopping" : ""})
                      : joined({s.label + " " + steps_text(s), speed_text(s), time_text(s)});
}

std::string progress_line(const ProgressState& s, int columns) {
  constexpr int kSmallestBar = 8;
  columns = std::max(columns - 3, 1);  // room for the ^C that a terminal echoes, which would else begin a second line
  const auto width = static_cast<std::size_t>(columns);
  const std::string steps = steps_text(s), speed = speed_text(s), time = time_text(s);
  if (s.total == 0) return progress_entry(s).substr(0, width);
  for (const auto& figures : {joined({steps, speed, time}), joined({steps, time})}) {
    const int room = columns - static_cast<int>(s.label.size() + figures.size()) - 2;
    if (room >= kSmallestBar) return s.label + " " + bar(static_cast<double>(s.done) / s.total, static_cast<std::size_t>(room)) + " " + figures;
  }
  for (const auto& text : {progress_entry(s), joined({steps, time})}) {
    if (text.size() <= width) return text;
  }
  return steps.substr(0, width);
}

ProgressStyle style_for_stderr() {
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string(terminal) == "dumb";
  return ::isatty(STDERR_FILENO) == 1 && !dumb ? ProgressStyle::bar : ProgressStyle::lines;
}

void StepTimes::step() {
  stepped_ = Clock::now();
  elapsed_ = seconds(stepped_ - began_);
  if (++count_ == 1) first_ = elapsed_;
}

double StepTimes::since_step() const { return seconds(Clock::now() - stepped_); }

Progress::Progress(ProgressStyle style) : style_(style) {
  if (style == ProgressStyle::bar) ticker_ = std::jthread([this](const std::stop_token& stop) { tick(stop); });
}

Progress::~Progress() { end(); }

void Progress::begin(const std::string& label, int total) {
  const std::lock_guard lock(mutex_);
  state_ = {};
  state_.label = label;
  state_.total = total;
  if (total > 0) steps_.begin();
  began_ = StepTimes::Clock::now();
  entries_ = 0;
  entry_time_ = 0;
  shown_ = style_ == ProgressStyle::bar;
  if (style_ == ProgressStyle::lines) std::fprintf(stderr, "%s\n", label.c_str());
  draw_locked();
}

void Progress::step(int done, int total) {
  const std::lock_guard lock(mutex_);
  steps_.step();
  state_.done = done;
  state_.total = total;
  state_.per_step = steps_.mean();
  draw_locked();
  const int entries = 20 * done / std::max(total, 1);
  const bool due = entries > entries_ && steps_.elapsed() - entry_time_ >= 1;
  if (style_ == ProgressStyle::lines && (due || done == total)) {
    entries_ = entries;
    entry_time_ = steps_.elapsed();
    std::fprintf(stderr, "%s\n", progress_entry(state_).c_str());
  }
}

void Progress::end() {
  const std::lock_guard lock(mutex_);
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

void Progress::draw_locked() {
  if (!shown_) return;
  state_.elapsed = seconds(StepTimes::Clock::now() - began_);
  state_.since_step = steps_.since_step();
  state_.stopping = interrupted();
  std::fputs(("\r" + progress_line(state_, columns_of_stderr()) + "\x1b[K").c_str(), stderr);
}

void Progress::tick(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_.wait_for(lock, stop, std::chrono::milliseconds(200), [] { return false; });
    draw_locked();
  }
}

}  // namespace impasto::cli
