// Reference results made with diffusers, transformers and torch: tensors by name, settings and tolerances by case.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/json.h"
#include "core/tensor_view.h"
#include "weights/reader.h"

namespace impasto::test {

/// One row of a manifest: {"name", "group", "settings", "inputs", "outputs", "tolerance", "checkpoint", ...}; the tensors lie in
/// GROUP.safetensors under "NAME/TENSOR".
class GoldenCase {
 public:
  GoldenCase(Json record, std::string folder, std::string checkpoints, std::shared_ptr<const WeightReader> tensors);

  std::string name() const { return record_.at("name"); }
  const Json& record() const { return record_; }
  const Json& settings() const { return record_.at("settings"); }
  /// Folder of the checkpoint that the case was made with.
  std::string checkpoint() const;
  /// Folder of another checkpoint beside it.
  std::string checkpoint(const std::string& name) const { return checkpoints_ + "/" + name; }

  bool has(const std::string& tensor) const;
  Shape shape(const std::string& tensor) const;
  std::vector<float> floats(const std::string& tensor) const;  ///< float32, float16, bfloat16 and float64 widened or rounded to float32
  std::vector<std::int32_t> ints(const std::string& tensor) const;
  std::vector<std::uint8_t> bytes(const std::string& tensor) const;
  TensorView view(const std::string& tensor) const;

  /// Largest difference allowed for this output: atol, or rtol times its largest value.
  double tolerance(const std::string& tensor) const;
  /// Succeeds when every value of `got` lies within tolerance(tensor) + more; the message names the worst element.
  ::testing::AssertionResult matches(const std::string& tensor, const float* got, std::int64_t count, double more = 0) const;

 private:
  Json record_;
  std::string folder_, checkpoints_;
  std::shared_ptr<const WeightReader> tensors_;
};

/// Cases of a group, from tests/data/golden (always there) and from the folder that IMPASTO_GOLDEN names, or ../shared/golden beside the
/// source tree where it is present (many more). Checkpoints lie in tests/data/checkpoints, and beside the golden folder.
std::vector<GoldenCase> golden_cases(const std::string& group);

/// Folder of a checkpoint under tests/data/checkpoints.
std::string test_checkpoint(const std::string& name);

}  // namespace impasto::test
