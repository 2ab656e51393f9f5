#include "models/image_projection.h"

#include <algorithm>
#include <vector>

namespace impasto {

using nn::LayerNorm;
using nn::Linear;

namespace {

constexpr float kEps = 1e-5f;

class Plain final : public ImageProjection {
 public:
  Plain(const WeightScope& w, const ImageProjectionConfig& c)
      : width_(c.context_channels), proj_(w / "proj", c.picture_channels, kTokens * width_), norm_(w / "norm", width_, kEps) {}

  Tensor operator()(const Tensor& seen) const override { return norm_(proj_(seen).reshape({kTokens, width_})); }

 private:
  static constexpr std::int64_t kTokens = 4;
  std::int64_t width_;
  Linear proj_;
  LayerNorm norm_;
};

class Full final : public ImageProjection {
 public:
  Full(const WeightScope& w, const ImageProjectionConfig& c)
      : proj_0_(w / "proj.0", c.picture_channels, c.picture_channels),
        proj_2_(w / "proj.2", c.picture_channels, c.context_channels),
        norm_(w / "proj.3", c.context_channels, kEps) {}

  Tensor operator()(const Tensor& seen) const override {
    const Tensor states = seen.reshape({seen.dim(1), seen.dim(2)});
    return norm_(proj_2_(proj_0_(states, {.activation = Activation::gelu})));
  }

 private:
  Linear proj_0_, proj_2_;
  LayerNorm norm_;
};

/// The queries attend to the picture and to themselves, then each is fed forward. Both add to them.
class ResamplerLayer {
 public:
  ResamplerLayer(const WeightScope& w, const ImageProjectionConfig& c)
      : inner_(64 * c.heads),
        heads_(c.heads),
        norm1_(w / "0.norm1", c.width, kEps),
        norm2_(w / "0.norm2", c.width, kEps),
        to_q_(w / "0.to_q", c.width, inner_, /*bias=*/false),
        to_kv_(w / "0.to_kv", c.width, 2 * inner_, /*bias=*/false),
        to_out_(w / "0.to_out", inner_, c.width, /*bias=*/false),
        norm3_(w / "1.0", c.width, kEps),
        in_(w / "1.1", c.width, c.hidden, /*bias=*/false),
        out_(w / "1.3", c.hidden, c.width, /*bias=*/false) {}

  /// queries [q, width], picture [t, width]
  Tensor operator()(const Tensor& queries, const Tensor& picture) const {
    const Tensor normed = norm2_(queries);
    const auto batch = [](const Tensor& t) { return t.reshape({1, t.dim(0), t.dim(1)}); };
    const Tensor kv = to_kv_(batch(ops::concat_images(norm1_(picture), normed)));
    const Tensor attended = ops::attention(to_q_(batch(normed)), kv.columns(0, inner_), kv.columns(inner_, inner_), heads_);
    const Tensor h = to_out_(attended, {.residual = batch(queries)});
    return out_(in_(norm3_(h), {.activation = Activation::gelu}), {.residual = h}).reshape(queries.shape());
  }

 private:
  std::int64_t inner_;
  int heads_;
  LayerNorm norm1_, norm2_;
  Linear to_q_, to_kv_, to_out_;
  LayerNorm norm3_;
  Linear in_, out_;
};

class Plus final : public ImageProjection {
 public:
  Plus(const WeightScope& w, const ImageProjectionConfig& c)
      : latents_(w.tensor("latents", {1, c.queries, c.width}).reshape({c.queries, c.width})),
        proj_in_(w / "proj_in", c.picture_channels, c.width),
        proj_out_(w / "proj_out", c.width, c.context_channels),
        norm_out_(w / "norm_out", c.context_channels, kEps) {
    for (int i = 0; i < c.depth; ++i) layers_.emplace_back(w / "layers" / i, c);
  }

  Tensor operator()(const Tensor& seen) const override {
    const Tensor picture = proj_in_(seen.reshape({seen.dim(1), seen.dim(2)}));
    Tensor queries = latents_;
    for (const ResamplerLayer& layer : layers_) queries = layer(queries, picture);
    return norm_out_(proj_out_(queries));
  }

 private:
  Tensor latents_;
  Linear proj_in_;
  std::vector<ResamplerLayer> layers_;
  Linear proj_out_;
  LayerNorm norm_out_;
};

}  // namespace

std::unique_ptr<const ImageProjection> ImageProjection::make(const WeightScope& w, const ImageProjectionConfig& c) {
  switch (c.kind) {
    case ImageProjectionConfig::Kind::plain: return std::make_unique<const Plain>(w, c);
    case ImageProjectionConfig::Kind::full: return std::make_unique<const Full>(w, c);
    default: return std::make_unique<const Plus>(w, c);
  }
}

}  // namespace impasto
