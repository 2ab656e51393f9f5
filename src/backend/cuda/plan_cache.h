// What was found to be fastest, kept for the next process: one small text file for each kind of GPU and version of its libraries.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace impasto {

/// A place in a library's list, and the name of what stands there, so that another list's is not taken for it.
struct PlanChoice {
  int index = 0;
  std::string name;
  bool operator==(const PlanChoice&) const = default;
};

using Plans = std::map<std::string, PlanChoice>;

/// Without line ends and tabs, and not too long: what keys, names and identities are in the file.
std::string plan_text(std::string_view text);

/// A file's content: a line that says what choices depend on beside their keys, then one line each.
std::string format_plans(std::string_view identity, const Plans& plans);
/// Lines that make no sense are left out; all of them where the first does not say `identity`.
Plans parse_plans(std::string_view content, std::string_view identity);

/// The folder that IMPASTO_CUDA_PLANS names, else impasto/plans in $XDG_CACHE_HOME or ~/.cache. "" where nothing is to be kept: that variable is
/// empty or 0, IMPASTO_CUDA_TUNE is 0, or there is no home.
std::string plan_folder();
/// Choices by key, read when it is made and written now and then, at its end, and at the process's. Several processes may have one file: what they
/// choose is merged, the last word on a key stands. Whatever is wrong with the file or its folder is as if there were none. Safe for several threads.
class PlanCache {
 public:
  /// `folder` "": nothing is kept. The file is named after the identity.
  PlanCache(const std::string& folder, std::string_view identity);
  ~PlanCache();
  PlanCache(const PlanCache&) = delete;
  PlanCache& operator=(const PlanCache&) = delete;

  const std::string& path() const { return path_; }
  std::optional<PlanChoice> find(const std::string& key) const;
  void put(const std::string& key, int index, std::string_view name);
  /// Writes what is new, at most once a second; costs nothing where there is nothing new. For calls that chose nothing themselves.
  void write_if_due() noexcept;
  /// Writes what is new, waiting so long for other writers; false where something is left to write.
  bool write(std::chrono::milliseconds patience) noexcept;

 private:
  bool merge_into_file(const Plans& fresh, std::chrono::milliseconds patience) const;

  const std::string path_, identity_;
  mutable std::mutex mutex_, writing_;  // writing_ is taken first
  Plans plans_, fresh_;                 // fresh_: not yet in the file
  std::atomic<bool> has_fresh_{false};
  int failures_ = 0;                                 // under writing_
  std::chrono::steady_clock::time_point written_{};  // under writing_
};

}  // namespace impasto
