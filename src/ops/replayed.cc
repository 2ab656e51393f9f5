#include "ops/replayed.h"

#include <algorithm>

#include "core/cancellation.h"
#include "core/fail.h"

namespace impasto {
namespace {

constexpr std::size_t kMostKept = 4;  // each holds its activations

bool same_kind(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  return a.shape() == b.shape() && a.dtype() == b.dtype() && &a.backend() == &b.backend();
}

bool same_kinds(const Replayed::Tensors& a, const Replayed::Tensors& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_kind); }

bool same_memory(const Replayed::Tensors& a, const Replayed::Tensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) { return x.view().data == y.view().data; });
}

Replayed::Tensors copies(const Replayed::Tensors& tensors) {
  Replayed::Tensors out;
  for (const Tensor& t : tensors) out.push_back(t ? t.clone() : t);
  return out;
}

void assign(const Replayed::Tensors& to, const Replayed::Tensors& from) {
  for (std::size_t i = 0; i < to.size(); ++i)
    if (to[i]) to[i].assign(from[i]);
}

}  // namespace

struct Replayed::Recorded {
  Tensors changing, lasting;             // what the recording reads
  Tensors last;                          // what `lasting` was copied from: held, so that its memory is nobody else's
  std::unique_ptr<Recording> recording;  // goes before the memory that it reads
  Tensor result;                         // what it writes, in its own memory: goes first
};

Replayed::Replayed() = default;
Replayed::~Replayed() = default;

Tensor Replayed::operator()(const Tensors& changing, const Tensors& lasting, const Function& f) {
  Backend& backend = changing.front().backend();
  if (!backend.records()) return f(changing, lasting);
  stop_if_asked();
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const std::unique_ptr<Recorded>& r) {
    return same_kinds(r->changing, changing) && same_kinds(r->lasting, lasting);
  });
  if (found == kept_.end()) {
    Tensor result = f(changing, lasting);
    auto recorded = std::make_unique<Recorded>();
    recorded->changing = copies(changing), recorded->lasting = copies(lasting), recorded->last = lasting;
    if (kept_.size() == kMostKept) kept_.erase(kept_.begin());
    kept_.push_back(std::move(recorded));
    return result;
  }
  std::rotate(found, found + 1, kept_.end());
  Recorded& r = *kept_.back();
  if (!r.recording) {
    try {
      r.recording = backend.record([&r, f] { r.result = f(r.changing, r.lasting); });
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::out_of_memory) throw;
      kept_.clear();  // there is room to run, but not for a recording beside it
      return f(changing, lasting);
    }
  }
  assign(r.changing, changing);
  if (!same_memory(r.last, lasting)) {
    assign(r.lasting, lasting);
    r.last = lasting;
  }
  r.recording->replay();
  return r.result.clone();
}

}  // namespace impasto
