// Networks and tensors of golden cases, on a backend.
#pragma once

#include <string>
#include <vector>

#include "backend/registry.h"
#include "core/json.h"
#include "ops/ops.h"
#include "support/golden.h"
#include "weights/reader.h"

namespace impasto::test {

inline JsonObject component_config(const std::string& checkpoint, const std::string& component) {
  const std::string path = checkpoint + "/" + component + "/config.json";
  return {read_json(path), path};
}

inline std::shared_ptr<const WeightReader> component_weights(const std::string& checkpoint, const std::string& component) {
  return open_weights(checkpoint + "/" + component, component.starts_with("text_encoder") ? "model" : "diffusion_pytorch_model");
}

/// A case's tensor as it is.
inline Tensor tensor_of(const GoldenCase& golden, const std::string& name, Backend& backend) {
  return Tensor::from_host(backend, golden.shape(name), golden.floats(name).data());
}

/// A case's feature map, stored NCHW, as NHWC.
inline Tensor map_of(const GoldenCase& golden, const std::string& name, Backend& backend) {
  return ops::nchw_to_nhwc(tensor_of(golden, name, backend));
}

inline ::testing::AssertionResult tensor_matches(const GoldenCase& golden, const std::string& name, const Tensor& got) {
  return golden.matches(name, got.to_host().data(), got.view().count());
}

inline ::testing::AssertionResult map_matches(const GoldenCase& golden, const std::string& name, const Tensor& got) {
  return tensor_matches(golden, name, ops::nhwc_to_nchw(got));
}

}  // namespace impasto::test
