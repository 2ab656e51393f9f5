#include "nn/weight_scope.h"

#include "core/fail.h"
#include "weights/names.h"

namespace impasto {
namespace {

/// Equal when trailing dimensions of 1 are dropped from both.
bool same_but_trailing_ones(const Shape& a, const Shape& b) {
  int ra = a.rank(), rb = b.rank();
  while (ra > 0 && a[ra - 1] == 1) --ra;
  while (rb > 0 && b[rb - 1] == 1) --rb;
  if (ra != rb) return false;
  for (int i = 0; i < ra; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

}  // namespace

WeightScope WeightScope::operator/(std::string_view child) const {
  WeightScope scope = *this;
  scope.name_ = full_name(child);
  return scope;
}

std::string WeightScope::full_name(std::string_view leaf) const { return name_.empty() ? std::string(leaf) : name_ + "." + std::string(leaf); }

TensorView WeightScope::find(std::string_view leaf) const {
  for (const std::string& name : published_names(full_name(leaf)))
    if (TensorView view = reader_->find(name)) return view;
  return {};
}

bool WeightScope::has(std::string_view leaf) const { return static_cast<bool>(find(leaf)); }

TensorView WeightScope::stored(std::string_view leaf, const Shape& shape) const {
  const TensorView view = find(leaf);
  if (!view) fail(ErrorKind::bad_file, reader_->where(), ": tensor ", full_name(leaf), " ", shape.to_string(), " is missing");
  if (!same_but_trailing_ones(view.shape, shape))
    fail(ErrorKind::bad_file, reader_->where(), ": tensor ", full_name(leaf), " has shape ", view.shape.to_string(), ", but the config asks for ",
         shape.to_string());
  if (view.dtype != DType::float32 && view.dtype != DType::float16 && view.dtype != DType::bfloat16)
    fail(ErrorKind::unsupported, reader_->where(), ": tensor ", full_name(leaf), " is ", to_string(view.dtype),
         "; weights may be float32, float16 or bfloat16");
  return {view.data, view.dtype, shape};
}

Tensor WeightScope::tensor(std::string_view leaf, const Shape& shape) const {
  const TensorView source = stored(leaf, shape);
  const Tensor staged = Tensor::empty(*backend_, shape);
  backend_->widen(source, staged.view());
  return staged;
}

}  // namespace impasto
