// Where a layer finds its weights: a reader, a backend and the layer's name in the checkpoint.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ops/tensor.h"
#include "weights/reader.h"

namespace impasto {

/// Names nest as in the checkpoint: (scope / "mid_block.attentions" / 0 / "to_q").stored("weight", {320, 320}).
/// The reader outlives the layers built from it (weights may be used where they are mapped).
class WeightScope {
 public:
  WeightScope(const WeightReader& reader, Backend& backend, std::string name = {}) : reader_(&reader), backend_(&backend), name_(std::move(name)) {}

  WeightScope operator/(std::string_view child) const;
  WeightScope operator/(std::int64_t index) const { return *this / std::to_string(index); }

  Backend& backend() const { return *backend_; }
  const std::string& name() const { return name_; }
  bool has(std::string_view leaf) const;

  /// The tensor as stored, under today's name or a published one. A shape that differs only by trailing ones is the same (a 1x1
  /// convolution is a linear layer). Throws bad_file naming file, tensor, the shape expected and the shape found.
  TensorView stored(std::string_view leaf, const Shape& shape) const;
  /// As float32 on the backend: biases, gains, embeddings that are added.
  Tensor tensor(std::string_view leaf, const Shape& shape) const;

 private:
  TensorView find(std::string_view leaf) const;
  std::string full_name(std::string_view leaf) const;

  const WeightReader* reader_;
  Backend* backend_;
  std::string name_;
};

}  // namespace impasto
