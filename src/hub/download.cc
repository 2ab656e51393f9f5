#include "hub/download.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>
#include <thread>

#include <sys/statvfs.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/guard.h"
#include "core/json.h"
#include "core/quote.h"
#include "hub/blob_fetch.h"
#include "hub/cache.h"
#include "hub/content_hash.h"
#include "hub/hub_client.h"
#include "hub/matching_files.h"
#include "hub/needed_files.h"
#include "hub/offline_download.h"
#include "hub/partial_file.h"
#include "hub/pipeline_class.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kGlance{100};

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    fail(ErrorKind::io, path, ": cannot be made: ", error.message(), "; the cache must be a folder that you may write to (HF_HOME chooses another)");
}

void write_text(const std::string& path, std::string_view text) {
  make_folder(fs::path(path).parent_path().string());
  write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// Backup programs leave out folders that hold this file.
void tag_cache(const std::string& root) {
  const std::string path = root + "/CACHEDIR.TAG";
  std::error_code ignored;
  if (fs::exists(path, ignored)) return;
  try {
    write_text(path, "Signature: 8a477f597d28d172789f06886806bc55\n");
  } catch (const Error&) {  // nothing hangs on it
  }
}

struct Item {
  std::string path;
  FileHead head;
};

/// The files of one download, and the threads that fetch them.
class Download {
 public:
  Download(const HubReference& reference, const DownloadOptions& options, const HubEnvironment& environment, const RetryPolicy& policy)
      : reference_(reference), options_(options), environment_(environment), policy_(policy), cache_(environment.cache, reference.repository) {
    token_ = options.token ? clean_token(*options.token, "the token") : stored_token(environment);
  }

  DownloadedModel run() {
    in_the_background([&](HubClient& client) { look_up(client); }, /*workers=*/1);
    prepare();
    const std::size_t first = chosen_for_drawing() && !order_.empty() ? fetch_index() : 0;
    next_ = first;
    const auto all = [&](HubClient& client) { fetch_items(client, order_.size()); };
    in_the_background(all, std::min<int>(options_.max_workers, static_cast<int>(order_.size() - first)));
    complete();
    return result();
  }

 private:
  /// Which files, and which commit.
  void look_up(HubClient& client) {
    HubReference at = reference_;
    std::vector<std::string> paths = options_.files;
    if (!reference_.file.empty()) paths = {reference_.file};
    if (paths.empty() || std::any_of(paths.begin(), paths.end(), is_pattern)) {
      Listing listing = client.list(reference_);
      std::set<std::string> all;
      for (const auto& [path, file] : listing.files) all.insert(path);
      const std::string where = reference_.text() + " on " + client.host();
      paths = paths.empty() ? needed_files(all, options_.variant, where) : matching_files(all, paths, where);
      at.revision = listing.commit;
      listed_ = std::move(listing.files);
    }
    for (const std::string& path : paths) {
      if (!is_safe_relative_path(path)) fail(ErrorKind::invalid_argument, in_quotes(path), " is not the path of a file in a repository");
      items_.push_back({path, look_up_file(client, at, path)});
      at.revision = items_.back().head.commit;  // all from one commit, whatever is pushed meanwhile
    }
    commit_ = at.revision;
  }

  /// From the list, where that has it: one question for all files instead of one each.
  FileHead look_up_file(HubClient& client, const HubReference& at, const std::string& path) {
    const auto listed = listed_.find(path);
    if (listed != listed_.end() && listed->second.size && !listed->second.hash.empty())
      return {at.revision, listed->second.hash, *listed->second.size};
    return client.head(at, path);
  }

  bool is_complete(const Item& item) const {
    const std::string path = is_copy(item) ? place(item) : cache_.blob(item.head.hash);
    std::error_code error;
    if (fs::file_size(path, error) != item.head.size || error) return false;
    return !options_.verify || file_matches(path, item.head.hash);
  }

  std::string place(const Item& item) const { return cache_.snapshot(commit_) + "/" + item.path; }

  /// Whether the content itself lies in the snapshot: so it is on file systems without links.
  bool is_copy(const Item& item) const {
    std::error_code error;
    return fs::symlink_status(place(item), error).type() == fs::file_type::regular;
  }

  /// Copies in the place of links become links, where they are as published; what is not goes.
  void take_back_copies() const {
    for (const Item& item : items_) {
      std::error_code ignored;
      if (!is_copy(item)) continue;
      if (file_matches(place(item), item.head.hash))
        make_copy_a_blob(cache_, commit_, item.path, item.head.hash);
      else
        fs::remove(place(item), ignored);
    }
  }

  void prepare() {
    for (const char* folder : {"/blobs", "/snapshots", "/refs"}) make_folder(cache_.folder() + folder);
    if (options_.verify) take_back_copies();
    std::uint64_t needed = 0, total = 0;
    const auto add = [](std::uint64_t& sum, std::uint64_t more) { sum += std::min(more, UINT64_MAX - sum); };  // who knows what a server says
    std::set<std::string> hashes;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const FileHead& head = items_[i].head;
      std::error_code ignored;
      if (!hashes.insert(head.hash).second) continue;
      if (!is_complete(items_[i])) {
        fs::remove(cache_.blob(head.hash), ignored);  // damaged, if it is there
        if (is_copy(items_[i])) fs::remove(place(items_[i]), ignored);
        order_.push_back(i);
        add(total, head.size);
        add(needed, head.size - leftover_bytes(cache_.blob(head.hash), head.size));
      }
    }
    // The largest first: it decides how long all take. What says whether it is worth it comes before.
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      const bool first = is_index(items_[a]), second = is_index(items_[b]);
      return first != second ? first : items_[a].head.size > items_[b].head.size;
    });
    check_space(needed);
    total_bytes_ = static_cast<std::int64_t>(std::min<std::uint64_t>(total, INT64_MAX));
    tag_cache(cache_.root());
  }

  void check_space(std::uint64_t needed) const {
    struct statvfs space {};
    if (::statvfs(cache_.folder().c_str(), &space) != 0) return;
    const std::uint64_t free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
    if (needed > free)
      fail(ErrorKind::io, cache_.root(), ": ", needed, " bytes are needed for ", reference_.text(), ", and ", free,
           " are free; free some space, or choose another place with HF_HOME");
  }

  /// Whether it is what says the kind of model, or has the same content.
  bool is_index(const Item& item) const { return items_.back().path == "model_index.json" && item.head.hash == items_.back().head.hash; }
  bool chosen_for_drawing() const { return options_.files.empty() && reference_.file.empty() && is_index(items_.back()); }

  /// What kind of model it is, before gigabytes have come of one that cannot be drawn with. Returns how many of order_ have been fetched.
  std::size_t fetch_index() {
    const Item& index = items_.back();
    const std::size_t fetched = is_index(items_[order_.front()]) ? 1 : 0;
    in_the_background([&](HubClient& client) { fetch_items(client, fetched); }, static_cast<int>(fetched));
    pipeline_class({read_json(is_copy(index) ? place(index) : cache_.blob(index.head.hash)), reference_.text() + "/" + index.path});
    return fetched;
  }

  void fetch_items(HubClient& client, std::size_t end) {
    HubReference at = reference_;
    at.revision = commit_;
    for (std::size_t i; (i = next_++) < end;) {
      const Item& item = items_[order_[i]];
      fetch_blob(client, cache_, at, item.path, item.head, policy_, stop_, tally_);
      ++tally_.files;
    }
  }

  /// Everything is there: now it may be seen. What makes the model look complete comes last, and the revision moves after that.
  void complete() {
    std::set<std::string> folders;
    for (const Item& item : items_) {
      if (&item == &items_.back()) {
        for (const std::string& folder : folders) sync_folder(folder);
      }
      if (!is_copy(item)) link_to_blob(cache_, commit_, item.path, item.head.hash);
      folders.insert(fs::path(place(item)).parent_path().string());
    }
    if (reference_.revision != commit_ && stored_ref() != commit_) write_text(cache_.ref(reference_.revision), commit_);
  }

  /// A damaged ref is as good as none here.
  std::string stored_ref() const {
    try {
      return cache_.commit_of(reference_.revision).value_or("");
    } catch (const Error&) {
      return {};
    }
  }

  DownloadedModel result() const {
    DownloadedModel model;
    model.commit = commit_;
    model.path = cache_.snapshot(commit_) + (reference_.file.empty() ? "" : "/" + reference_.file);
    model.files = static_cast<int>(items_.size());
    for (const Item& item : items_) model.bytes += static_cast<std::int64_t>(item.head.size);
    model.fetched_bytes = tally_.fetched;
    return model;
  }

  /// Runs `work` on threads with a client each, while this one tells the caller how far it is and asks whether to go on.
  template <typename Work>
  void in_the_background(const Work& work, int workers) {
    int running = workers;
    try {
      std::vector<std::jthread> threads;
      for (int i = 0; i < workers; ++i) {
        threads.emplace_back([&] {
          try {
            HubClient client(environment_, token_, stop_, policy_);
            work(client);
          } catch (...) {
            keep(std::current_exception());
          }
          const std::lock_guard lock(mutex_);
          if (--running == 0) finished_.notify_all();
        });
      }
      watch(running);
    } catch (...) {  // no more threads
      stop_.stop();
      throw;
    }
    if (failure_) rethrow_failure();
    report();
  }

  void watch(const int& running) {
    const auto is_finished = [&] { return running == 0; };
    try {
      for (std::unique_lock lock(mutex_); !finished_.wait_for(lock, kGlance, is_finished);) {
        lock.unlock();
        report();
        if (options_.should_stop && options_.should_stop()) stop_.stop();
        lock.lock();
      }
    } catch (...) {  // out of the caller's hook
      keep(std::current_exception());
    }
  }

  void keep(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::move(failure);
    }
    stop_.stop();
  }

  [[noreturn]] void rethrow_failure() const {
    try {
      std::rethrow_exception(failure_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::cancelled) throw;
      fail(ErrorKind::cancelled, "stopped; what has come of ", reference_.text(), " is kept, and the next download goes on from there");
    }
  }

  void report() const {
    if (!options_.on_progress) return;
    options_.on_progress({tally_.files, static_cast<int>(order_.size()), tally_.bytes, total_bytes_, tally_.waiting > 0});
  }

  const HubReference& reference_;
  const DownloadOptions& options_;
  const HubEnvironment& environment_;
  const RetryPolicy& policy_;
  const HubCache cache_;
  std::string token_;

  std::map<std::string, ListedFile> listed_;
  std::vector<Item> items_;  // in the order in which they may be seen
  std::string commit_;
  std::vector<std::size_t> order_;  // of those to fetch
  std::int64_t total_bytes_ = 0;
  std::atomic<std::size_t> next_{0};

  StopSignal stop_;
  DownloadTally tally_;
  std::mutex mutex_;  // of what follows, and of the number of threads that run
  std::condition_variable finished_;
  std::exception_ptr failure_;
};

}  // namespace

DownloadedModel download(const HubReference& reference, const DownloadOptions& options, const HubEnvironment& given, const RetryPolicy& policy) {
  HubEnvironment environment = given;
  if (!options.cache.empty()) environment.cache = options.cache;
  if (options.max_workers < 1 || options.max_workers > 64)
    fail(ErrorKind::invalid_argument, "max_workers is ", options.max_workers, ", expected 1 to 64");
  check_variant(options.variant);
  if (environment.offline || options.local_files_only) return offline_download(reference, options, environment);
  return Download(reference, options, environment, policy).run();
}

DownloadedModel download(const std::string& name, const DownloadOptions& options) {
  return guarded([&] {
    const auto reference = parse_hub_reference(name);
    if (!reference)
      fail(ErrorKind::invalid_argument, in_quotes(name),
           " is not the name of a model on the Hub; expected ORG/NAME, ORG/NAME@REVISION or ORG/NAME/FILE.safetensors");
    return download(*reference, options, HubEnvironment::read());
  });
}

std::string download_tokenizer(const DownloadOptions& options) {
  DownloadOptions two = options;
  two.files = {"vocab.json", "merges.txt"};
  return download(kTokenizerModel, two).path;
}

}  // namespace impasto
