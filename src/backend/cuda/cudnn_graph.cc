#include "backend/cuda/cudnn_graph.h"

#ifndef CUDNN_FRONTEND_SKIP_JSON_LIB
#define CUDNN_FRONTEND_SKIP_JSON_LIB  // graphs are not stored
#endif
#include <cudnn_frontend.h>

#include <bit>
#include <exception>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/fail.h"

namespace impasto {
namespace {

namespace fe = cudnn_frontend;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;
using Dims = std::vector<std::int64_t>;

constexpr std::int64_t kWorkspaceLimit = std::int64_t{256} << 20;

fe::DataType_t type_of(DType type) { return type == DType::bfloat16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::HALF; }

/// [n, c, h, w] of a map whose pixels' channels lie side by side.
Dims nhwc_strides(const Dims& dims) { return {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]}; }

class Graph final : public CudnnGraph {
 public:
  Graph(DType type, std::string what) : what_(std::move(what)) {
    graph_.set_io_data_type(type_of(type)).set_intermediate_data_type(fe::DataType_t::FLOAT).set_compute_data_type(fe::DataType_t::FLOAT);
#if CUDNN_FRONTEND_VERSION >= 13200
    graph_.set_cuda_graph_retention(fe::CudaGraphRetention_t::NONE);  // plans live as long as the backend
#endif
    type_ = type_of(type);
  }

  fe::graph::Graph& graph() { return graph_; }

  /// An operand; its place is its number, from 1 on.
  Tensor input(const char* name, const Dims& dims, const Dims& strides) {
    return graph_.tensor(fe::graph::Tensor_attributes().set_name(name).set_dim(dims).set_stride(strides).set_data_type(type_).set_uid(++operands_));
  }

  /// The last operand.
  void output(const Tensor& t, const Dims& dims, const Dims& strides) {
    t->set_output(true).set_dim(dims).set_stride(strides).set_data_type(type_).set_uid(++operands_);
  }

  /// Plans with such notes are left out.
  void refuse(std::vector<fe::NumericalNote_t> notes) { refused_ = std::move(notes); }

  /// Empty, or why cuDNN does not do it.
  std::string lower(cudnnHandle_t handle) {
    auto status = graph_.validate();
    if (status.is_good()) status = graph_.build_operation_graph(handle);
    if (status.is_good()) status = graph_.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
    if (status.is_good()) {
      graph_.deselect_numeric_notes(refused_);
      graph_.deselect_workspace_greater_than(kWorkspaceLimit);
      status = graph_.check_support();
    }
    if (status.is_good()) return {};
    const std::string message = status.get_message();
    return message.empty() ? "not supported" : message;
  }

  int plans() const override { return static_cast<int>(graph_.get_execution_plan_count()); }

  bool build(int plan) override {
    try {
      if (graph_.build_plan_at_index(plan).is_bad()) return false;
      std::int64_t bytes = 0;
      return graph_.get_workspace_size_plan_at_index(plan, bytes).is_good() && bytes <= kWorkspaceLimit;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::size_t workspace_bytes(int plan) const override {
    std::int64_t bytes = 0;
    auto status = graph_.get_workspace_size_plan_at_index(plan, bytes);
    if (status.is_bad()) fail(ErrorKind::internal, "cuDNN, ", what_, ": ", status.get_message());
    return static_cast<std::size_t>(bytes);
  }

  std::string plan_name(int plan) const override {
    std::string name;
    if (graph_.get_plan_name_at_index(plan, name).is_bad()) name.clear();
    return name;
  }

  void execute(cudnnHandle_t handle, int plan, std::span<void* const> operands, void* workspace) const override {
    IMPASTO_CHECK(static_cast<std::int64_t>(operands.size()) == operands_);
    for (std::size_t i = 0; i < operands.size(); ++i) pack_[static_cast<std::int64_t>(i) + 1] = operands[i];
    auto status = graph_.execute_plan_at_index(handle, pack_, workspace, plan);
    if (status.is_bad()) fail(ErrorKind::internal, "cuDNN, ", what_, ": ", status.get_message());
  }

 private:
  fe::graph::Graph graph_;
  std::string what_;
  fe::DataType_t type_ = fe::DataType_t::HALF;
  std::vector<fe::NumericalNote_t> refused_;
  std::int64_t operands_ = 0;
  mutable std::unordered_map<std::int64_t, void*> pack_;  // by number; kept, so that calls allocate nothing
};

/// Lowers what `describe` puts into a graph.
template <typename F>
std::unique_ptr<CudnnGraph> make_graph(cudnnHandle_t handle, DType type, std::string what, std::string& refusal, const F& describe) {
  try {
    auto graph = std::make_unique<Graph>(type, std::move(what));
    describe(*graph);
    refusal = graph->lower(handle);
    if (refusal.empty()) return graph;
  } catch (const std::exception& e) {
    refusal = e.what();
  }
  return nullptr;
}

}  // namespace

std::string ConvShape::to_string() const {
  return concat("convolution ", impasto::to_string(type), " [", n, ", ", h, ", ", w, ", ", c, "] by ", k, " of ", kernel, " x ", kernel, ", stride ",
                stride, ", padding ", pad, bias ? ", bias" : "", residual ? ", residual" : "");
}

std::string AttentionShape::to_string() const {
  return concat("attention ", impasto::to_string(type), " n ", n, ", heads ", heads, ", queries ", tq, ", keys ", tk, ", d ", d,
                causal ? ", causal" : "");
}

std::string ConvShape::plan_key() const {
  return concat("convolution ", impasto::to_string(type), ' ', n, ' ', h, ' ', w, ' ', c, ' ', k, ' ', p, ' ', q, ' ', kernel, ' ', stride, ' ', pad,
                ' ', bias, ' ', residual);
}

std::string AttentionShape::plan_key() const {
  return concat("attention ", impasto::to_string(type), ' ', n, ' ', heads, ' ', tq, ' ', tk, ' ', d, ' ', q_stride, ' ', k_stride, ' ', v_stride,
                ' ', out_stride, ' ', scale, ' ', causal);
}

std::unique_ptr<CudnnGraph> make_convolution_graph(cudnnHandle_t handle, const ConvShape& s, std::string& refusal) {
  return make_graph(handle, s.type, s.to_string(), refusal, [&](Graph& g) {
    const Dims x_dims{s.n, s.c, s.h, s.w}, w_dims{s.k, s.c, s.kernel, s.kernel}, out_dims{s.n, s.k, s.p, s.q}, out_strides = nhwc_strides(out_dims);
    const Tensor x = g.input("x", x_dims, nhwc_strides(x_dims)), w = g.input("w", w_dims, nhwc_strides(w_dims));
    Tensor y = g.graph().conv_fprop(
        x, w, fe::graph::Conv_fprop_attributes().set_name("conv").set_padding({s.pad, s.pad}).set_stride({s.stride, s.stride}).set_dilation({1, 1}));
    const auto plus = [&](const Tensor& term, const char* name) {
      y->set_dim(out_dims).set_stride(out_strides).set_data_type(fe::DataType_t::FLOAT);
      y = g.graph().pointwise(y, term, fe::graph::Pointwise_attributes().set_name(name).set_mode(fe::PointwiseMode_t::ADD));
    };
    if (s.bias) plus(g.input("bias", {1, s.k, 1, 1}, {s.k, 1, s.k, s.k}), "add_bias");
    if (s.residual) plus(g.input("residual", out_dims, out_strides), "add_residual");
    g.output(y, out_dims, out_strides);
    g.refuse({fe::NumericalNote_t::NONDETERMINISTIC, fe::NumericalNote_t::WINOGRAD});  // Winograd's sums of float16 are rougher than the input
  });
}

std::unique_ptr<CudnnGraph> make_attention_graph(cudnnHandle_t handle, const AttentionShape& s, std::string& refusal) {
  return make_graph(handle, s.type, s.to_string(), refusal, [&](Graph& g) {
    const auto strides = [&](std::int64_t tokens, std::int64_t stride) { return Dims{tokens * stride, s.d, stride, 1}; };
    const Dims q_dims{s.n, s.heads, s.tq, s.d}, k_dims{s.n, s.heads, s.tk, s.d};
    const Tensor q = g.input("q", q_dims, strides(s.tq, s.q_stride)), k = g.input("k", k_dims, strides(s.tk, s.k_stride)),
                 v = g.input("v", k_dims, strides(s.tk, s.v_stride));
    const auto out = g.graph().sdpa(q, k, v,
                                    fe::graph::SDPA_attributes()
                                        .set_name("attention")
                                        .set_generate_stats(false)
                                        .set_attn_scale(std::bit_cast<float>(s.scale))
                                        .set_causal_mask(s.causal));
    g.output(out[0], q_dims, strides(s.tq, s.out_stride));
  });
}

}  // namespace impasto
