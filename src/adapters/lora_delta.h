// What an adapter does to one weight.
#pragma once

#include <span>
#include <string>

#include "adapters/lora_file.h"
#include "core/shape.h"

namespace impasto {

/// Changes `weight` (of `shape`: [out, in], or [out, in, kernel, kernel]) as the module says, `scale` times:
///   LoRA  W + s alpha / r  up down            up [out, r], down [r, in k k]; with a middle [r, r, k, k] where the kernel is apart (LoCon, CP)
///   LoHa  W + s alpha / r  (a1 b1) * (a2 b2)  the product of elements (Hyeon-Woo et al., 2022)
///   LoKr  W + s alpha / r  w1 (x) w2          Kronecker's; each whole, or of two factors
///   diff  W + s diff
/// and with DoRA's magnitudes m, rows (or columns) of the sum brought to the norm m: PEFT's magnitudes norm the sum as it is scaled, those of
/// LyCORIS the sum at s = 1, towards which W then goes s of the way.
/// Throws bad_file naming file, module and shapes when the parts do not fit each other or the weight.
void apply_lora(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, const Shape& shape, std::span<float> weight);

/// The same for the layer's bias, which only whole differences change. Returns whether this module does.
bool apply_lora_bias(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, std::span<float> bias);

}  // namespace impasto
