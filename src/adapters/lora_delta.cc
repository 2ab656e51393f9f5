#include "adapters/lora_delta.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/quote.h"
#include "weights/widened.h"

namespace impasto {
namespace {

constexpr const char* kMisfit = "made for another model: wrong shapes";

/// A tensor's values, all of them numbers.
std::vector<float> finite_values(const LoraFile& file, const std::string& tensor) {
  std::vector<float> values = widened(file.reader(), tensor);
  if (!all_finite(values)) throw LoraFault(ErrorKind::bad_file, file, "damaged: NaN or infinity", "tensor " + in_quotes(tensor));
  return values;
}

void require_range(const LoraFile& file, const std::string& weight, float scale, std::span<const float> values) {
  if (!all_finite(values))
    throw LoraFault(ErrorKind::invalid_argument, file, concat("a scale of ", scale, " is too large: values beyond float32"), "weight " + weight);
}

/// A part of a module as float32.
struct Part {
  Shape shape;
  std::vector<float> values;

  std::int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  std::int64_t columns() const { return static_cast<std::int64_t>(values.size()) / std::max<std::int64_t>(1, rows()); }
};

/// One module being applied to one weight.
class Change {
 public:
  Change(const LoraFile& file, const std::string& name, const LoraModule& module, const Shape& shape)
      : file_(file), name_(name), module_(module), shape_(shape), out_(shape[0]), in_(shape[1]), kernel_(shape.count() / (shape[0] * shape[1])) {}

  /// What is added to the weight at scale 1: [out, in * kernel].
  std::vector<float> delta() const {
    if (has("up") || has("down")) return low_rank();
    if (has("hada_w1_a")) return hadamard();
    if (has("lokr_w1") || has("lokr_w1_a")) return kronecker();
    if (has("diff")) return fitting(part("diff"), "diff").values;
    missing("other part of an adapter");
  }

  bool has(std::string_view part) const { return module_.tensors.count(part) != 0; }

  Part part(std::string_view name) const {
    const auto found = module_.tensors.find(name);
    if (found == module_.tensors.end()) missing(concat('"', name, '"'));
    Part p;
    p.shape = file_.reader().describe(found->second).value().shape;
    p.values = finite_values(file_, found->second);
    return p;
  }

  [[noreturn]] void misfit(std::string_view part, const Shape& found) const {
    const auto tensor = module_.tensors.find(part);  // not there where the part is a product of two
    throw LoraFault(ErrorKind::bad_file, file_, kMisfit,
                    concat("tensor ", in_quotes(tensor != module_.tensors.end() ? tensor->second : concat(any_tensor(), " (", part, ")")),
                           " has shape ", found.to_string(), ", the weight ", name_, ' ', shape_.to_string()));
  }

 private:
  const std::string& any_tensor() const { return module_.tensors.begin()->second; }

  [[noreturn]] void missing(const std::string& what) const {
    throw LoraFault(ErrorKind::bad_file, file_, "damaged: missing tensors", concat(in_quotes(any_tensor()), " has no ", what, " beside it"));
  }

  const Part& fitting(const Part& p, std::string_view name) const {
    if (static_cast<std::int64_t>(p.values.size()) != shape_.count() || p.rows() != out_) misfit(name, p.shape);
    return p;
  }

  float alpha_over(std::int64_t rank) const {
    if (!has("alpha")) return 1;
    const Part alpha = part("alpha");
    if (alpha.values.size() != 1) misfit("alpha", alpha.shape);
    return alpha.values[0] / static_cast<float>(rank);
  }

  /// a [m, r] times b [r, n].
  static std::vector<float> product(std::span<const float> a, std::span<const float> b, std::int64_t m, std::int64_t r, std::int64_t n) {
    std::vector<float> c(static_cast<std::size_t>(m * n), 0.0f);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t k = 0; k < r; ++k) {
        const float factor = a[i * r + k];
        for (std::int64_t j = 0; j < n; ++j) c[i * n + j] += factor * b[k * n + j];
      }
    return c;
  }

  static void multiply(std::vector<float>& values, float factor) {
    for (float& v : values) v *= factor;
  }

  /// core [r, s, kernel] between a [r, rows] and b [s, columns]: sum over r, s of a[r][i] core[r][s][k] b[s][j], as [rows, columns, kernel].
  static std::vector<float> tucker(const Part& core, const Part& a, const Part& b) {
    const std::int64_t r = core.shape[0], s = core.shape[1], kernel = core.columns() / s, rows = a.columns(), columns = b.columns();
    std::vector<float> inner(static_cast<std::size_t>(r * columns * kernel), 0.0f);  // core and b: [r, columns, kernel]
    for (std::int64_t i = 0; i < r; ++i)
      for (std::int64_t q = 0; q < s; ++q)
        for (std::int64_t j = 0; j < columns; ++j)
          for (std::int64_t k = 0; k < kernel; ++k)
            inner[(i * columns + j) * kernel + k] += core.values[(i * s + q) * kernel + k] * b.values[q * columns + j];
    std::vector<float> turned(a.values.size());  // a as [rows, r]
    for (std::int64_t i = 0; i < r; ++i)
      for (std::int64_t j = 0; j < rows; ++j) turned[j * r + i] = a.values[i * rows + j];
    return product(turned, inner, rows, r, columns * kernel);
  }

  std::vector<float> low_rank() const {
    const Part up = part("up"), down = part("down");
    const std::int64_t rank = down.rows();
    if (up.rows() != out_ || up.columns() != rank) misfit("up", up.shape);
    std::vector<float> delta;
    if (has("mid")) {
      const Part mid = part("mid");
      if (down.columns() != in_) misfit("down", down.shape);
      if (mid.shape.rank() < 3 || mid.shape[0] != rank || mid.shape[1] != rank || mid.columns() != rank * kernel_) misfit("mid", mid.shape);
      Part turned = up;  // [rank, out], as tucker() takes it
      turned.shape = {rank, out_};
      for (std::int64_t i = 0; i < out_; ++i)
        for (std::int64_t k = 0; k < rank; ++k) turned.values[k * out_ + i] = up.values[i * rank + k];
      delta = tucker(mid, turned, down);
    } else {
      if (down.columns() != in_ * kernel_) misfit("down", down.shape);
      delta = product(up.values, down.values, out_, rank, in_ * kernel_);
    }
    multiply(delta, alpha_over(rank));
    return delta;
  }

  /// One factor of LoHa: [out, in * kernel].
  std::vector<float> hadamard_factor(const std::string& number, std::int64_t& rank) const {
    const Part a = part("hada_w" + number + "_a"), b = part("hada_w" + number + "_b");
    rank = b.rows();
    if (has("hada_t" + number)) {
      const Part core = part("hada_t" + number);
      if (core.shape.rank() < 3 || a.rows() != core.shape[0] || b.rows() != core.shape[1] || a.columns() != out_ || b.columns() != in_ ||
          core.columns() != core.shape[1] * kernel_)
        misfit("hada_t" + number, core.shape);
      return tucker(core, a, b);
    }
    if (a.rows() != out_ || a.columns() != rank) misfit("hada_w" + number + "_a", a.shape);
    if (b.columns() != in_ * kernel_) misfit("hada_w" + number + "_b", b.shape);
    return product(a.values, b.values, out_, rank, in_ * kernel_);
  }

  std::vector<float> hadamard() const {
    std::int64_t rank = 1;
    std::vector<float> delta = hadamard_factor("2", rank);
    const std::vector<float> other = hadamard_factor("1", rank);
    const float factor = alpha_over(rank);
    for (std::size_t i = 0; i < delta.size(); ++i) delta[i] *= other[i] * factor;
    return delta;
  }

  /// A factor of LoKr, whole or as a product; the product's rank goes to `rank`.
  Part kronecker_factor(const std::string& name, std::optional<std::int64_t>& rank) const {
    if (has(name)) return part(name);
    const Part a = part(name + "_a"), b = part(name + "_b");
    rank = b.rows();
    if (name == "lokr_w2" && has("lokr_t2")) {
      const Part core = part("lokr_t2");
      if (core.shape.rank() < 3 || a.rows() != core.shape[0] || b.rows() != core.shape[1] || core.columns() != core.shape[1] * kernel_)
        misfit("lokr_t2", core.shape);
      return {{a.columns(), b.columns() * kernel_}, tucker(core, a, b)};
    }
    if (a.columns() != b.rows()) misfit(name + "_a", a.shape);
    return {{a.rows(), b.columns()}, product(a.values, b.values, a.rows(), a.columns(), b.columns())};
  }

  std::vector<float> kronecker() const {
    std::optional<std::int64_t> rank;
    const Part w1 = kronecker_factor("lokr_w1", rank), w2 = kronecker_factor("lokr_w2", rank);
    const std::int64_t inner = w2.columns() / kernel_;  // w2 is [rows, inner, kernel]
    if (w1.rows() * w2.rows() != out_ || w1.columns() * inner != in_ || w2.columns() % kernel_ != 0) misfit("lokr_w2", w2.shape);
    const float factor = rank ? alpha_over(*rank) : 1.0f;
    std::vector<float> delta(static_cast<std::size_t>(shape_.count()));
    for (std::int64_t o = 0; o < out_; ++o)
      for (std::int64_t i = 0; i < in_; ++i) {
        const float a = factor * w1.values[o / w2.rows() * w1.columns() + i / inner];
        const float* b = w2.values.data() + o % w2.rows() * w2.columns() + i % inner * kernel_;
        for (std::int64_t k = 0; k < kernel_; ++k) delta[(o * in_ + i) * kernel_ + k] = a * b[k];
      }
    return delta;
  }

  const LoraFile& file_;
  const std::string& name_;
  const LoraModule& module_;
  Shape shape_;
  std::int64_t out_, in_, kernel_;
};

/// Brings rows of `weight` (or, where there is a magnitude for each input channel, those) to the norms that the part has.
void renormalize(const Change& change, std::string_view part, const Shape& shape, std::span<float> weight) {
  const Part magnitude = change.part(part);
  const std::int64_t out = shape[0], in = shape[1], kernel = shape.count() / (out * in), count = static_cast<std::int64_t>(magnitude.values.size());
  const bool by_row = magnitude.rows() == out && count == out;
  if (!by_row && count != in) change.misfit(part, magnitude.shape);
  const auto group = [&](std::int64_t i) { return by_row ? i / (in * kernel) : i / kernel % in; };
  std::vector<double> norms(static_cast<std::size_t>(count), 0.0);
  for (std::int64_t i = 0; i < shape.count(); ++i) norms[group(i)] += static_cast<double>(weight[i]) * weight[i];
  for (std::int64_t g = 0; g < count; ++g) norms[g] = magnitude.values[g] / std::max(std::sqrt(norms[g]), 1e-30);
  for (std::int64_t i = 0; i < shape.count(); ++i) weight[i] = static_cast<float>(weight[i] * norms[group(i)]);
}

}  // namespace

void apply_lora(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, const Shape& shape, std::span<float> weight) {
  IMPASTO_CHECK(shape.rank() >= 2 && shape.count() == static_cast<std::int64_t>(weight.size()));
  const Change change(file, name, module, shape);
  const std::vector<float> delta = change.delta();
  const bool sound = all_finite(weight);  // or the checkpoint is to blame
  if (change.has("dora_scale")) {
    std::vector<float> changed(weight.begin(), weight.end());
    for (std::size_t i = 0; i < changed.size(); ++i) changed[i] += delta[i];
    renormalize(change, "dora_scale", shape, changed);
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] += scale * (changed[i] - weight[i]);
  } else {
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] += scale * delta[i];
    if (change.has("magnitude")) renormalize(change, "magnitude", shape, weight);
  }
  if (sound) require_range(file, name, scale, weight);
}

bool apply_lora_bias(const LoraFile& file, const std::string& name, const LoraModule& module, float scale, std::span<float> bias) {
  const auto found = module.tensors.find("diff_b");
  if (found == module.tensors.end()) return false;
  const std::vector<float> change = finite_values(file, found->second);
  if (change.size() != bias.size())
    throw LoraFault(ErrorKind::bad_file, file, kMisfit,
                    concat("tensor ", in_quotes(found->second), " has ", change.size(), " values, the bias ", name, ' ', bias.size()));
  const bool sound = all_finite(bias);
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += scale * change[i];
  if (sound) require_range(file, name, scale, bias);
  return true;
}

}  // namespace impasto
