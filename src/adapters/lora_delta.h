// What an adapter does to one weight.
#pragma once

#include <span>
#include <string>

#include "adapters/lora_file.h"
#include "core/fail.h"
#include "core/shape.h"

namespace impasto {

/// What is wrong with one module of a file. Whoever applies many can tell of all of them at once.
struct LoraFault : Error {
  LoraFault(ErrorKind kind, const LoraFile& file, const std::string& verdict_, const std::string& detail_)
      : Error(kind, concat(file.path(), ": ", verdict_, ": ", detail_)), verdict(verdict_), detail(detail_) {}

  std::string verdict;  ///< the same for all modules: "made for another model: wrong shapes"
  std::string detail;   ///< names the file's tensor and the weight
};

/// Changes `weight` (of `shape`: [out, in], or [out, in, kernel, kernel]) as the module says, `scale` times:
///   LoRA  W + s alpha / r  up down            up [out, r], down [r, in k k]; with a middle [r, r, k, k] where the kernel is apart (LoCon, CP)
///   LoHa  W + s alpha / r  (a1 b1) * (a2 b2)  the product of elements (Hyeon-Woo et al., 2022)
///   LoKr  W + s alpha / r  w1 (x) w2          Kronecker's; each whole, or of two factors
///   diff  W + s diff
/// and with DoRA's magnitudes m, rows (or columns) of the sum brought to the norm m: PEFT's magnitudes norm the sum as it is scaled, those of
/// LyCORIS the sum at s = 1, towards which W then goes s of the way.
/// `name` is the weight's, for messages. Throws LoraFault: bad_file when the parts do not fit each other or the weight, one is missing or holds NaN
/// or infinity; invalid_argument when finite parts, so scaled, take the weight beyond float32.
void apply_lora(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, const Shape& shape, std::span<float> weight);

/// The same for the layer's bias, which only whole differences change. Returns whether this module does.
bool apply_lora_bias(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, std::span<float> bias);

}  // namespace impasto
