// Functions of tensors that devices with graphs (CUDA) need not be told call by call.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "ops/tensor.h"

namespace impasto {

/// Runs a function as it is at the first call at a shape, records it at the second, and replays the recording from then on; where the backend does
/// not record, runs it as it is always. For one function of its arguments alone, over weights that outlive this. Safe for several threads.
class Replayed {
 public:
  using Tensors = std::vector<Tensor>;
  using Function = std::function<Tensor(const Tensors& changing, const Tensors& lasting)>;

  Replayed();
  ~Replayed();

  /// f(changing, lasting), on the arguments' backend. `lasting` are recognised when they are the last call's own, and not copied again; an empty
  /// tensor stays one. Shapes and types are what tells recordings apart; the last few are kept.
  Tensor operator()(const Tensors& changing, const Tensors& lasting, const Function& f);

 private:
  struct Recorded;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Recorded>> kept_;  // the last one used comes last
};

}  // namespace impasto
