#include "backend/cuda/plan_cache.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/file.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestText = 400, kMostPlans = 8192;
constexpr std::size_t kMostBytes = (2 * kLongestText + 16) * (kMostPlans + 1);
constexpr int kMostIndex = 9999, kMostFailures = 3;
constexpr std::string_view kFormat = "impasto plans 1";  // counts up when a key or an index gets another meaning

/// The caches of this process. Never destroyed: some of them live as long as the process.
struct Living {
  std::mutex mutex;
  std::set<PlanCache*> caches;

  static Living& all() {
    static Living& living = *new Living;
    return living;
  }
  static void write() noexcept {
    constexpr std::chrono::milliseconds kPatience{500};
    const std::scoped_lock lock(all().mutex);
    for (PlanCache* cache : all().caches) cache->write(kPatience);
  }
};

/// Keeps other writers out, if only for reading and renaming; the lock is the folder's.
class FolderLock {
 public:
  FolderLock(const std::string& folder, std::chrono::milliseconds patience)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), deadline_(std::chrono::steady_clock::now() + patience) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) break;  // a file system without locks: the atomic file must do
      if (std::chrono::steady_clock::now() >= deadline_) {
        refused_ = true;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool refused() const { return refused_; }

 private:
  int fd_;
  std::chrono::steady_clock::time_point deadline_;
  bool refused_ = false;
};

/// What can be read of a file.
Plans read_plans(const std::string& path, std::string_view identity) {
  try {
    return parse_plans(read_file(path, kMostBytes), identity);
  } catch (const Error&) {  // not there, too large, no file at all
    return {};
  }
}

/// The text up to the next `end`, which is taken away with it; nothing where there is none.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const std::size_t size = text.find(end);
  if (size == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(size + 1);
  return taken;
}

/// A file in the folder; "" in "".
std::string plan_file(const std::string& folder, std::string_view identity) {
  constexpr std::size_t kLongestName = 200;
  if (folder.empty()) return {};
  std::string name;
  for (const char c : identity) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    if (plain || (!name.empty() && name.back() != '-')) name += plain ? c : '-';
  }
  return folder + "/" + name.substr(0, kLongestName) + ".txt";
}

bool is_text(std::string_view text) { return !text.empty() && plan_text(text) == text; }

}  // namespace

std::string plan_text(std::string_view text) {
  std::string clean(text.substr(0, kLongestText));
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
  return clean;
}

std::string format_plans(std::string_view identity, const Plans& plans) {
  std::string content = concat(kFormat, '\t', plan_text(identity), '\n');
  for (const auto& [key, choice] : plans) {
    content += key;
    content += concat('\t', choice.index, '\t');
    content += choice.name;
    content += '\n';
  }
  return content;
}

Plans parse_plans(std::string_view content, std::string_view identity) {
  Plans plans;
  if (content.size() > kMostBytes) return plans;
  if (const auto first = take_until(content, '\n'); !first || *first != concat(kFormat, '\t', plan_text(identity))) return plans;
  while (auto line = take_until(content, '\n')) {
    const auto key = take_until(*line, '\t'), digits = take_until(*line, '\t');
    if (!key || !digits || !is_text(*key) || !is_text(*line)) continue;
    int index = 0;
    const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), index);
    if (error != std::errc() || end != digits->data() + digits->size() || index < 0 || index > kMostIndex) continue;
    if (plans.size() < kMostPlans) plans[std::string(*key)] = {index, std::string(*line)};
  }
  return plans;
}

std::string plan_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  if (variable("IMPASTO_CUDA_TUNE") == "0") return {};
  if (const auto folder = variable("IMPASTO_CUDA_PLANS")) return *folder == "0" ? "" : *folder;
  if (const auto caches = variable("XDG_CACHE_HOME"); caches && caches->starts_with('/')) return *caches + "/impasto/plans";
  if (const auto home = variable("HOME"); home && home->starts_with('/')) return *home + "/.cache/impasto/plans";
  return {};
}

PlanCache::PlanCache(const std::string& folder, std::string_view identity) : path_(plan_file(folder, identity)), identity_(plan_text(identity)) {
  if (path_.empty()) return;
  plans_ = read_plans(path_, identity_);
  Living& living = Living::all();
  const std::scoped_lock lock(living.mutex);
  [[maybe_unused]] static const int registered = std::atexit(Living::write);
  living.caches.insert(this);
}

PlanCache::~PlanCache() {
  constexpr std::chrono::milliseconds kPatience{500};
  if (path_.empty()) return;
  {
    Living& living = Living::all();
    const std::scoped_lock lock(living.mutex);
    living.caches.erase(this);
  }
  write(kPatience);
}

std::optional<PlanChoice> PlanCache::find(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = plans_.find(key);
  return found == plans_.end() ? std::nullopt : std::optional(found->second);
}

void PlanCache::put(const std::string& key, int index, std::string_view name) {
  // A key that would have to be cut might become another's.
  if (path_.empty() || !is_text(key) || name.empty() || index < 0 || index > kMostIndex) return;
  const std::scoped_lock lock(mutex_);
  if (fresh_.size() >= kMostPlans) return;
  plans_[key] = fresh_[key] = {index, plan_text(name)};
  has_fresh_ = true;
}

void PlanCache::write_if_due() noexcept {
  constexpr std::chrono::seconds kPause{1};
  if (!has_fresh_.load(std::memory_order_relaxed)) return;
  {
    const std::unique_lock lock(writing_, std::try_to_lock);
    if (!lock.owns_lock() || std::chrono::steady_clock::now() - written_ < kPause) return;
  }
  write(std::chrono::milliseconds(0));
}

bool PlanCache::write(std::chrono::milliseconds patience) noexcept {
  const std::scoped_lock writing(writing_);
  written_ = std::chrono::steady_clock::now();
  if (failures_ >= kMostFailures) {  // a folder that cannot be written to is not asked every second
    has_fresh_ = false;
    return false;
  }
  try {
    Plans fresh;
    {
      const std::scoped_lock lock(mutex_);
      fresh = fresh_;
    }
    if (fresh.empty()) return true;
    if (!merge_into_file(fresh, patience)) return false;
    const std::scoped_lock lock(mutex_);
    std::erase_if(fresh_, [&](const auto& plan) {
      const auto written = fresh.find(plan.first);
      return written != fresh.end() && written->second == plan.second;
    });
    has_fresh_ = !fresh_.empty();
    failures_ = 0;
    return fresh_.empty();
  } catch (...) {
    ++failures_;
    return false;
  }
}

/// False where another process holds the folder for longer than that.
bool PlanCache::merge_into_file(const Plans& fresh, std::chrono::milliseconds patience) const {
  const std::string folder = fs::path(path_).parent_path().string();
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  const fs::file_status there = fs::status(path_, ignored);
  if (fs::exists(there) && !fs::is_regular_file(there)) fail(ErrorKind::io, path_, ": is not a file");  // a pipe would have us wait for a reader
  const FolderLock lock(folder, patience);
  if (lock.refused()) return false;
  Plans merged = fresh;
  for (auto& [key, choice] : read_plans(path_, identity_))
    if (merged.size() < kMostPlans) merged.try_emplace(key, std::move(choice));
  const std::string content = format_plans(identity_, merged);
  write_file_atomically(path_, std::span(reinterpret_cast<const std::uint8_t*>(content.data()), content.size()));
  return true;
}

}  // namespace impasto
