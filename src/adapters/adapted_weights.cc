#include "adapters/adapted_weights.h"

#include <map>

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

class AdaptedWeights final : public WeightReader {
 public:
  AdaptedWeights(std::shared_ptr<const WeightReader> base, AdaptedNetwork network, const std::vector<AppliedLora>& adapters)
      : base_(std::move(base)) {
    std::vector<Merged> touched = find_touched(network, adapters);
    require_memory(touched);
    parallel_for(static_cast<std::int64_t>(touched.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) merge(touched[static_cast<std::size_t>(i)], network, adapters);
    });
    stop_if_asked();
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

  void merge(Merged& m, AdaptedNetwork network, const std::vector<AppliedLora>& adapters) const {
    m.values = widened(*base_, m.name);
    for (const AppliedLora& adapter : adapters) {
      const auto& modules = adapter.file->modules(network);
      const auto found = modules.find(m.module);
      if (adapter.scale == 0 || found == modules.end()) continue;
      if (m.bias)
        apply_lora_bias(*adapter.file, found->first, found->second, adapter.scale, m.values);
      else
        apply_lora(*adapter.file, found->first, found->second, adapter.scale, m.info.shape, m.values);
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
