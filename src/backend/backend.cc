#include "backend/backend.h"

namespace impasto {

void Backend::group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                         const TensorView& out) {
  const Shape each{x.shape[0], x.shape.back()};
  const std::size_t bytes = static_cast<std::size_t>(2 * each.count()) * sizeof(float);
  const auto give_back = [this, bytes](void* block) { deallocate(block, bytes); };
  const std::unique_ptr<void, decltype(give_back)> affine(allocate(bytes), give_back);
  float* const values = static_cast<float*>(affine.get());
  const TensorView scale(values, DType::float32, each), shift(values + each.count(), DType::float32, each);
  group_norm_affine(x, gamma, beta, groups, eps, scale, shift);
  apply_affine(x, scale, shift, activation, out);
}

}  // namespace impasto
