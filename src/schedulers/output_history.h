// What multistep solvers remember.
#pragma once

#include <utility>
#include <vector>

#include "ops/tensor.h"

namespace impasto {

/// The last few outputs of the network, as the solver wants them; the newest is [0].
class OutputHistory {
 public:
  explicit OutputHistory(int most) : most_(static_cast<std::size_t>(most)) {}
  void clear() { outputs_.clear(); }
  void push(Tensor output) {
    if (outputs_.size() == most_) outputs_.erase(outputs_.begin());
    outputs_.push_back(std::move(output));
  }
  int size() const { return static_cast<int>(outputs_.size()); }
  const Tensor& operator[](int age) const { return outputs_[outputs_.size() - 1 - static_cast<std::size_t>(age)]; }

 private:
  std::size_t most_;
  std::vector<Tensor> outputs_;
};

}  // namespace impasto
