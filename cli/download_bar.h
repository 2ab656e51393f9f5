// What a waiting person sees of a download on standard error.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "cli/progress.h"
#include "impasto/hub.h"

namespace impasto::cli {

/// One line that leaves the last 3 columns free: "Downloading [====>     ] 1.2 GB/4.3 GB  23 MB/s  2:05 left", or what of it fits.
/// `rate` is in bytes per second; 0 while unknown.
std::string download_line(const std::string& label, const DownloadProgress& progress, double rate, int columns);

/// One line for logs: "Downloading 45 %  1.2 GB/4.3 GB  23 MB/s  2:05 left".
std::string download_entry(const std::string& label, const DownloadProgress& progress, double rate);

/// Given to DownloadOptions::on_progress.
class DownloadBar {
 public:
  /// `label` is "Downloading".
  DownloadBar(ProgressStyle style, std::string label) : style_(style), label_(std::move(label)) {}
  ~DownloadBar() { end(); }
  DownloadBar(const DownloadBar&) = delete;
  DownloadBar& operator=(const DownloadBar&) = delete;

  void show(const DownloadProgress& progress);
  /// Takes the bar away, so that other text can follow.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  void measure(std::int64_t bytes);

  const ProgressStyle style_;
  const std::string label_;
  Clock::time_point began_, measured_;
  std::int64_t bytes_ = -1;  ///< at the last measurement
  double rate_ = 0;
  int told_ = -1;  ///< twentieths that are told, in lines
  Clock::time_point told_at_;
  bool shown_ = false;
};

}  // namespace impasto::cli
