// A network of a checkpoint, held or built for each use.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "backend/backend.h"

namespace impasto {

enum class Keep {
  always,  ///< once built, for as long as the pipeline lives
  in_use,  ///< while somebody holds it: memory for one network at a time
};

/// Built on its backend when it is first asked for. Safe for several threads, which share one; so do copies.
template <class T>
class Component {
 public:
  using Build = std::function<std::shared_ptr<const T>(Backend&)>;
  Component(Keep keep, Backend& backend, Build build) : state_(new State{keep, backend, std::move(build)}) {}

  Backend& backend() const { return state_->backend; }
  /// The same on another backend, built there when it is asked for.
  Component on(Backend& backend) const { return &backend == &state_->backend ? *this : Component(state_->keep, backend, state_->build); }

  /// Throws what building throws.
  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(state_->mutex);
    std::shared_ptr<const T> network = state_->shared.lock();
    if (!network) state_->shared = network = state_->build(state_->backend);
    if (state_->keep == Keep::always) state_->kept = network;
    return network;
  }

  /// Who holds the network still has it; the next who asks has it built anew.
  void let_go() const {
    const std::lock_guard lock(state_->mutex);
    state_->kept = nullptr;
  }

 private:
  struct State {
    Keep keep;
    Backend& backend;
    Build build;
    std::mutex mutex = {};
    std::weak_ptr<const T> shared = {};
    std::shared_ptr<const T> kept = {};
  };
  std::shared_ptr<State> state_;
};

}  // namespace impasto
