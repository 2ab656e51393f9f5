#include "adapters/adapted_weights.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "adapters/lora_delta.h"
#include "core/cancellation.h"
#include "core/fail.h"
#include "core/memory.h"
#include "core/threads.h"
#include "weights/widened.h"

namespace impasto {
namespace {

constexpr std::string_view kWeight = ".weight", kBias = ".bias";

/// A weight's name without its last word, flattened: what a module of a file is called; empty for other tensors.
std::string module_of(std::string_view tensor, std::string_view ending) {
  return tensor.ends_with(ending) ? flattened(tensor.substr(0, tensor.size() - ending.size())) : std::string();
}

/// A tensor that adapters change.
struct Merged {
  std::string name, module;
  bool bias = false;
  TensorInfo info;
  std::vector<float> values;
};

/// What is wrong with adapters' modules, from all threads.
class Faults {
 public:
  void add(const AppliedLora& adapter, const std::string& weight, const LoraFault& fault) {
    const std::lock_guard lock(mutex_);
    found_[&adapter].emplace(weight, fault);
  }

  /// Throws if there is any: tells of one adapter, of what is wrong with its first weight and with those that have the same.
  void tell(const std::vector<Merged>& touched, AdaptedNetwork network) const {
    if (found_.empty()) return;
    const auto& [adapter, faults] = *found_.begin();
    const LoraFault& first = faults.begin()->second;
    constexpr std::size_t kMost = 3;
    std::size_t count = 0;
    std::string details;
    for (const auto& [weight, fault] : faults)
      if (fault.verdict == first.verdict && ++count <= kMost) details += (count == 1 ? "" : "; ") + fault.detail;
    const auto& modules = adapter->file->modules(network);
    const auto all = std::count_if(touched.begin(), touched.end(), [&](const Merged& m) { return !m.bias && modules.count(m.module) != 0; });
    fail(first.kind(), adapter->file->path(), ": ", first.verdict, " in ", count, " of the ", all, " layers that it changes in the ",
         to_string(network), ": ", details, count > kMost ? "; and so on" : "");
  }

 private:
  std::mutex mutex_;
  std::map<const AppliedLora*, std::map<std::string, LoraFault>> found_;  // by adapter, in the order of the vector; by weight
};

class AdaptedWeights final : public WeightReader {
 public:
  AdaptedWeights(std::shared_ptr<const WeightReader> base, AdaptedNetwork network, const std::vector<AppliedLora>& adapters)
      : base_(std::move(base)) {
    std::vector<Merged> touched = find_touched(network, adapters);
    require_memory(touched);
    Faults faults;
    parallel_for(static_cast<std::int64_t>(touched.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) merge(touched[static_cast<std::size_t>(i)], network, adapters, faults);
    });
    stop_if_asked();
    faults.tell(touched, network);
    for (Merged& m : touched) {
      const std::string name = m.name;
      merged_.emplace(name, std::move(m));
    }
  }

  std::string where() const override { return base_->where(); }
  std::string format() const override { return base_->format(); }
  const std::map<std::string, std::string>& metadata() const override { return base_->metadata(); }
  std::vector<std::string> names() const override { return base_->names(); }

  std::optional<TensorInfo> describe(std::string_view name) const override {
    const auto found = merged_.find(name);
    return found != merged_.end() ? found->second.info : base_->describe(name);
  }

  TensorView find(std::string_view name) const override {
    const auto found = merged_.find(name);
    if (found == merged_.end()) return base_->find(name);
    return {const_cast<float*>(found->second.values.data()), DType::float32, found->second.info.shape};  // never written
  }

  void check_unchanged() const override { base_->check_unchanged(); }
  void release_pages() const override { base_->release_pages(); }

 private:
  std::vector<Merged> find_touched(AdaptedNetwork network, const std::vector<AppliedLora>& adapters) const {
    std::vector<Merged> touched;
    for (const std::string& name : base_->names()) {
      const bool bias = name.ends_with(kBias);
      const std::string module = module_of(name, bias ? kBias : kWeight);
      if (module.empty()) continue;
      for (const AppliedLora& adapter : adapters) {
        const auto& modules = adapter.file->modules(network);
        const auto found = modules.find(module);
        if (adapter.scale == 0 || found == modules.end() || (bias && found->second.tensors.count("diff_b") == 0)) continue;
        const TensorInfo info = base_->describe(name).value();
        if (!bias && info.shape.rank() < 2)
          fail(ErrorKind::unsupported, adapter.file->path(), ": changes ", name, ", which is not a matrix or a convolution");
        touched.push_back({name, module, bias, {DType::float32, info.shape}, {}});
        break;
      }
    }
    return touched;
  }

  void require_memory(const std::vector<Merged>& touched) const {
    std::int64_t needed = 0;
    for (const Merged& m : touched) needed += static_cast<std::int64_t>(m.info.bytes());
    if (const std::int64_t there = available_memory(); needed > there)
      fail(ErrorKind::out_of_memory, base_->where(), ": the weights that the adapters change need ", in_gigabytes(needed), ", but ",
           in_gigabytes(there), " are available");
  }

  void merge(Merged& m, AdaptedNetwork network, const std::vector<AppliedLora>& adapters, Faults& faults) const {
    m.values = widened(*base_, m.name);
    for (const AppliedLora& adapter : adapters) {
      const auto& modules = adapter.file->modules(network);
      const auto found = modules.find(m.module);
      if (adapter.scale == 0 || found == modules.end()) continue;
      try {
        if (m.bias)
          apply_lora_bias(*adapter.file, m.name, found->second, adapter.scale, m.values);
        else
          apply_lora(*adapter.file, m.name, found->second, adapter.scale, m.info.shape, m.values);
      } catch (const LoraFault& fault) {
        faults.add(adapter, m.name, fault);
      }
    }
  }

  std::shared_ptr<const WeightReader> base_;
  std::map<std::string, Merged, std::less<>> merged_;
};

}  // namespace

std::shared_ptr<const WeightReader> adapted_weights(std::shared_ptr<const WeightReader> base, AdaptedNetwork network,
                                                    const std::vector<AppliedLora>& adapters) {
  return std::make_shared<AdaptedWeights>(std::move(base), network, adapters);
}

std::vector<std::string> unmatched_modules(const LoraFile& file, const WeightReader& base, AdaptedNetwork network) {
  auto left = file.modules(network);
  for (const std::string& name : base.names()) left.erase(module_of(name, kWeight));
  std::vector<std::string> modules;
  for (const auto& [module, parts] : left) modules.push_back(std::string(to_string(network)) + ": " + module);
  return modules;
}

}  // namespace impasto
