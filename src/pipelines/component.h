// A network of a checkpoint, held or built for each use.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace impasto {

enum class Keep {
  always,  ///< once built, for as long as the pipeline lives
  in_use,  ///< while somebody holds it: memory for one network at a time
};

/// Built when it is first asked for. Safe for several threads, which share one; so do copies.
template <class T>
class Component {
 public:
  using Build = std::function<std::shared_ptr<const T>()>;
  Component(Keep keep, Build build) : state_(new State{keep, std::move(build)}) {}

  /// Throws what building throws.
  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(state_->mutex);
    std::shared_ptr<const T> network = state_->shared.lock();
    if (!network) state_->shared = network = state_->build();
    if (state_->keep == Keep::always) state_->kept = network;
    return network;
  }

 private:
  struct State {
    Keep keep;
    Build build;
    std::mutex mutex = {};
    std::weak_ptr<const T> shared = {};
    std::shared_ptr<const T> kept = {};
  };
  std::shared_ptr<State> state_;
};

}  // namespace impasto
