#include "cli/download_bar.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/text.h"

namespace impasto::cli {
namespace {

std::string amounts(const DownloadProgress& p) { return in_bytes(p.bytes) + "/" + in_bytes(p.total_bytes); }

std::string time_text(const DownloadProgress& p, double rate) {
  if (p.waiting) return "waiting for another process";
  if (rate <= 0) return "";
  return in_bytes(std::llround(rate)) + "/s  " + as_clock(static_cast<double>(p.total_bytes - p.bytes) / rate) + " left";
}

std::string joined(const std::string& a, const std::string& b) { return b.empty() ? a : a + "  " + b; }

}  // namespace

std::string download_line(const std::string& label, const DownloadProgress& p, double rate, int columns) {
  const auto width = static_cast<std::size_t>(std::max(columns - 3, 1));
  constexpr std::size_t kSmallestBar = 8;
  if (p.total_bytes <= 0) return joined(label, time_text(p, rate)).substr(0, width);
  for (const std::string& figures : {joined(amounts(p), time_text(p, rate)), amounts(p)}) {
    if (label.size() + figures.size() + 2 + kSmallestBar > width) continue;
    const std::size_t room = width - label.size() - figures.size() - 2;
    return label + " " + bar(static_cast<double>(p.bytes) / static_cast<double>(p.total_bytes), room) + " " + figures;
  }
  return amounts(p).substr(0, width);
}

std::string download_entry(const std::string& label, const DownloadProgress& p, double rate) {
  const auto percent = p.total_bytes > 0 ? 100 * p.bytes / p.total_bytes : 0;
  return joined(label + " " + std::to_string(percent) + " %  " + amounts(p), time_text(p, rate));
}

void DownloadBar::measure(std::int64_t bytes) {
  constexpr double kMemory = 3;  // seconds: long enough to be read, short enough to follow a change
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - measured_).count();
  if (bytes_ >= 0 && seconds < 0.05) return;
  if (bytes_ < 0)
    began_ = now;
  else {
    const double weight = std::max(1 - std::exp(-seconds / kMemory), seconds / std::chrono::duration<double>(now - began_).count());
    rate_ += weight * (static_cast<double>(std::max<std::int64_t>(bytes - bytes_, 0)) / seconds - rate_);
  }
  bytes_ = bytes;
  measured_ = now;
}

void DownloadBar::show(const DownloadProgress& p) {
  if (style_ == ProgressStyle::silent || (p.total_files == 0 && !shown_)) return;
  measure(p.bytes);
  if (style_ == ProgressStyle::bar) {
    std::fprintf(stderr, "\r%s\x1b[K", download_line(label_, p, rate_, columns_of_stderr()).c_str());
    shown_ = true;
    return;
  }
  const int twentieths = p.total_bytes > 0 ? static_cast<int>(20 * p.bytes / p.total_bytes) : 0;
  const bool due = twentieths > told_ && Clock::now() - told_at_ >= std::chrono::seconds(1);
  if (told_ >= 0 && !due && !(twentieths == 20 && told_ < 20)) return;
  told_ = twentieths;
  told_at_ = Clock::now();
  std::fprintf(stderr, "%s\n", download_entry(label_, p, rate_).c_str());
}

void DownloadBar::end() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

}  // namespace impasto::cli
