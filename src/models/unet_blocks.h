// What the UNet is built of, and what a ControlNet borrows of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/unet.h"
#include "nn/resnet_block.h"

namespace impasto {

/// The timestep's sinusoids (Vaswani et al., 2017) through two linear layers.
class TimeEmbedding {
 public:
  /// `w` is the network's own scope.
  TimeEmbedding(const WeightScope& w, const UNetConfig& config);

  /// [1, c]. `guidance`: what project_guidance() gave.
  Tensor sinusoids(double timestep, const std::vector<float>& guidance = {}) const;
  /// What an embedding of the guidance scale adds to the sinusoids; empty for an empty one. Throws invalid_argument for another number of values than
  /// the config's guidance_channels.
  std::vector<float> project_guidance(const std::vector<float>& guidance) const;
  /// [1, time_channels], or with what is added for each image, [n, time_channels] or empty, as many.
  Tensor operator()(const Tensor& sinusoids, const Tensor& added = {}) const;

 private:
  Backend& backend_;
  std::int64_t channels_;
  bool flip_sin_to_cos_;
  double freq_shift_;
  std::int64_t guidance_channels_;
  nn::Linear linear_1_, linear_2_;
  std::optional<nn::Linear> cond_proj_;
};

/// What a picture's texts come to as a whole, and sinusoids of the numbers about it, through two linear layers (Podell et al., 2023).
class AddedEmbedding {
 public:
  /// `w` is the network's own scope.
  AddedEmbedding(const WeightScope& w, const UNetConfig& config);

  /// [n, time_channels]. Throws invalid_argument for another number of columns than the config has.
  Tensor operator()(const UNetContext& context) const;

 private:
  Backend& backend_;
  std::int64_t channels_, id_channels_;
  bool flip_sin_to_cos_;
  double freq_shift_;
  nn::Linear linear_1_, linear_2_;
};

/// What the timestep contributes to each resnet block of a network.
class TimeProjections {
 public:
  /// `w` is the network's own scope; `way_up`: whether it has one.
  TimeProjections(const WeightScope& w, const UNetConfig& config, bool way_up);

  /// silu_time [1 or n, time_channels] to [1 or n, c] of each block, in the order in which they run.
  std::vector<Tensor> operator()(const Tensor& silu_time) const { return all_(silu_time); }
  /// Of the first block and of the last two.
  std::vector<Tensor> outermost(const Tensor& silu_time) const { return all_.some(silu_time, {0, all_.size() - 2, all_.size() - 1}); }

 private:
  nn::JoinedLinear all_;
};

// The blocks below take their resnets' share of the time from `time`, and their attentions' texts from `context`, and move on behind them.

struct UNetDownBlock {
  std::vector<nn::ResnetBlock> resnets;
  std::vector<nn::Transformer2d> attentions;  // one per resnet, or none
  std::optional<nn::Conv2d> downsampler;

  UNetDownBlock(const WeightScope& w, const UNetConfig& c, std::size_t i);

  Tensor layer(std::size_t j, const Tensor& x, const Tensor*& time, const nn::KeyValue*& context, float merging = 0) const;
  /// Appends what the way up will need to `skips`. `merging`: the ratio of nn::TokenMerging.
  Tensor operator()(Tensor h, const Tensor*& time, const nn::KeyValue*& context, std::vector<Tensor>& skips, float merging = 0) const;
};

struct UNetMidBlock {
  nn::ResnetBlock resnet_0;
  nn::Transformer2d attention;
  nn::ResnetBlock resnet_1;

  UNetMidBlock(const WeightScope& w, const UNetConfig& c);

  Tensor operator()(const Tensor& h, const Tensor*& time, const nn::KeyValue*& context) const;
};

struct UNetUpBlock {
  std::vector<nn::ResnetBlock> resnets;
  std::vector<nn::Transformer2d> attentions;  // one per resnet, or none
  std::optional<nn::Conv2d> upsampler;

  /// Of level i; its input comes from the level below, its skips from this level and, the last one, from the level above.
  UNetUpBlock(const WeightScope& w, const UNetConfig& c, std::size_t i);

  /// Takes the last of the skips.
  Tensor layer(std::size_t j, const Tensor& x, const Tensor*& time, const nn::KeyValue*& context, std::vector<Tensor>& skips, float merging) const;
  /// `deep`, where it is asked for, gets what goes into the last layer but one.
  Tensor operator()(Tensor h, const Tensor*& time, const nn::KeyValue*& context, std::vector<Tensor>& skips, float merging, Tensor* deep) const;
};

}  // namespace impasto
