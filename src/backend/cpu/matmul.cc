// Products of activations with stored weights, which stay as they lie in memory (or in the mapped file), in 16 or 32 bits: gemm.h widens them
// block by block as they are used, so float16 files keep their size.
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/gemm.h"

namespace impasto {
namespace {

struct LinearWeights final : PackedWeights {
  StoredRows weight;        // [out, in]
  std::vector<float> bias;  // [out], padded
  bool gated = false;
  std::size_t bytes() const override { return bias.size() * sizeof(float); }
};

}  // namespace

std::unique_ptr<PackedWeights> CpuBackend::pack_linear(const TensorView& weight, const TensorView& bias, bool gated) {
  auto packed = std::make_unique<LinearWeights>();
  packed->weight = {weight.data, weight.dtype, weight.shape[0], weight.shape[1]};
  packed->bias = padded_bias(bias, weight.shape[0]);
  packed->gated = gated;
  return packed;
}

void CpuBackend::linear(const TensorView& x, const PackedWeights& weights, const Epilogue& epilogue, const TensorView& out) {
  const auto& w = static_cast<const LinearWeights&>(weights);
  const DenseRows rows(x.as<float>(), x.row_stride);
  gemm(pool_, gemm_kernels(arithmetic_), rows, x.rows(), w.weight, /*taps=*/1, tile_target(out, w.bias.data(), epilogue, w.gated));
}

}  // namespace impasto
