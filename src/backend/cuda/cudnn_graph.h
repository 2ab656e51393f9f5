// cuDNN's graphs behind an interface of ours: only one file pays for its headers.
#pragma once

#include <cudnn.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/dtype.h"

namespace impasto {

/// A convolution of NHWC maps by filters [k, kernel, kernel, c], all of `type`, c and k multiples of 8, summed in float32.
/// Operands: x, filters, bias (if any), residual (if any), out [n, p, q, k].
struct ConvShape {
  DType type = DType::float16;
  std::int64_t n = 0, h = 0, w = 0, c = 0, k = 0, p = 0, q = 0, kernel = 0, stride = 0, pad = 0;
  bool bias = false;      ///< [k]
  bool residual = false;  ///< as out
  auto operator<=>(const ConvShape&) const = default;
  std::string to_string() const;
  std::string plan_key() const;  ///< all of it, for a PlanCache; so below
};

/// Operands: q, k, v, out. Strides are from token to token, in elements; a head's d columns lie side by side.
struct AttentionShape {
  DType type = DType::float16;
  std::int64_t n = 0, heads = 0, tq = 0, tk = 0, d = 0, q_stride = 0, k_stride = 0, v_stride = 0, out_stride = 0;
  std::uint32_t scale = 0;  ///< a float's bits
  bool causal = false;
  auto operator<=>(const AttentionShape&) const = default;
  std::string to_string() const;
  std::string plan_key() const;
};

/// A graph that cuDNN knows how to run, in one way or several.
class CudnnGraph {
 public:
  virtual ~CudnnGraph() = default;
  virtual int plans() const = 0;
  /// Compiles or loads plan's kernel; false where cuDNN cannot after all, or wants too much memory.
  virtual bool build(int plan) = 0;
  virtual std::size_t workspace_bytes(int plan) const = 0;
  virtual std::string plan_name(int plan) const = 0;
  /// A plan that was built; the handle's stream is the one. `workspace` is 256-byte aligned. Not for several threads at once.
  virtual void execute(cudnnHandle_t handle, int plan, std::span<void* const> operands, void* workspace) const = 0;
};

/// nullptr where cuDNN does not do it; `refusal` then says why.
std::unique_ptr<CudnnGraph> make_convolution_graph(cudnnHandle_t handle, const ConvShape& shape, std::string& refusal);
std::unique_ptr<CudnnGraph> make_attention_graph(cudnnHandle_t handle, const AttentionShape& shape, std::string& refusal);

}  // namespace impasto
