// What follows from tensors that a caller passes again and again.
#pragma once

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "impasto/components.h"

namespace impasto {

/// Values made of the last few different keys, which are tensors, or several in a row. Safe for several threads.
template <typename Value>
class Remembered {
 public:
  /// make(), or what it gave for an equal key among the last ones.
  template <typename Make>
  std::shared_ptr<const Value> get(const std::vector<TensorRef>& key, const Make& make) {
    if (auto known = find(key)) return known;
    Entry entry{{}, std::make_shared<const Value>(make())};
    for (const TensorRef& t : key) entry.key.push_back({t.shape, {t.values, t.values + size(t)}});
    const auto value = entry.value;
    const std::lock_guard lock(mutex_);
    entries_.push_front(std::move(entry));
    if (entries_.size() > kEntries) entries_.pop_back();
    return value;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    entries_.clear();
  }

 private:
  static constexpr std::size_t kEntries = 4;  // two each for two callers
  struct Entry {
    std::vector<HostTensor> key;
    std::shared_ptr<const Value> value;
  };

  static std::size_t size(const TensorRef& t) {
    std::size_t n = t.values == nullptr ? 0 : 1;
    for (const std::int64_t d : t.shape) n *= static_cast<std::size_t>(d);
    return n;
  }

  static bool same(const HostTensor& a, const TensorRef& b) {
    return a.shape == b.shape && a.values.size() == size(b) &&
           (a.values.empty() || std::memcmp(a.values.data(), b.values, a.values.size() * sizeof(float)) == 0);
  }

  std::shared_ptr<const Value> find(const std::vector<TensorRef>& key) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return std::equal(e.key.begin(), e.key.end(), key.begin(), key.end(), same); });
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return found->value;
  }

  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
};

}  // namespace impasto
