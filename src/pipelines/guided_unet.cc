#include "pipelines/guided_unet.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "ops/ops.h"
#include "pipelines/guidance.h"

namespace impasto {
namespace {

/// The second half of the images.
UNet::Conditioning second_half_of(const UNet::Conditioning& both) { return both.empty() ? both : both.slice(both.images() / 2, both.images() / 2); }

/// The share that was meant: 0.7f is 0.69999999, which would make 6 of 10 steps.
double as_written(float share) {
  std::array<char, 32> text{};
  const char* end = std::to_chars(text.data(), text.data() + text.size(), share).ptr;
  double value = 0;
  std::from_chars(text.data(), end, value);
  return value;
}

/// images in a row; one alone is not copied.
template <typename Images>
Images joined(const std::vector<Images>& images) {
  using ops::concat_images;
  Images all = images.front();
  for (std::size_t i = 1; i < images.size(); ++i) all = concat_images(all, images[i]);
  return all;
}

}  // namespace

GuidedUNet::GuidedUNet(std::shared_ptr<const UNet> unet, std::vector<ImageTexts> texts, const TextToImageOptions& options,
                       std::vector<Controller> controllers, std::vector<PicturePrompt> pictures)
    : unet_(std::move(unet)),
      texts_(std::move(texts)),
      scale_(unet_->config().guided_at(*options.guidance_scale) ? *options.guidance_scale : 1),
      rescale_(options.guidance_rescale),
      start_(options.guidance_start),
      stop_(options.guidance_stop),
      shortcuts_{options.deep_cache_interval, options.token_merging_ratio},
      num_inference_steps_(*options.num_inference_steps),
      controllers_(std::move(controllers)),
      pictures_(std::move(pictures)) {
  if (const std::int64_t channels = unet_->config().guidance_channels; channels > 0) told_ = guidance_embedding(*options.guidance_scale, channels);
}

Conditionings GuidedUNet::condition(const UNetContext& context, std::int64_t prompts) const {
  const std::int64_t images = context.states.dim(0);
  UNetContext told = context;
  told.guidance = told_;
  Conditionings all{unet_->condition(told), {}};
  add_picture_prompts(pictures_, prompts, all.unet);
  for (const Controller& controller : controllers_) {
    const std::int64_t seen = controller.guess_mode ? prompts : images;
    all.control_nets.push_back(seen == 0 ? UNet::Conditioning() : controller.net->condition(context.slice(images - seen, seen)));
  }
  return all;
}

Conditionings GuidedUNet::second_half(const Conditionings& both) const {
  Conditionings half{second_half_of(both.unet), {}};
  for (std::size_t i = 0; i < controllers_.size(); ++i)
    half.control_nets.push_back(controllers_[i].guess_mode ? both.control_nets[i] : second_half_of(both.control_nets[i]));
  return half;
}

std::vector<ControlAtStep> GuidedUNet::controls_at(int step, int num_steps) const {
  std::vector<ControlAtStep> controls;
  for (const Controller& c : controllers_)
    controls.push_back({c.net.get(), &c.hint, c.scale_at(step - first_step_, num_steps - first_step_), c.guess_mode});
  return controls;
}

void GuidedUNet::take_turns(int num_steps) {
  const auto step = static_cast<int>(std::min<std::int64_t>(calls_++ * num_inference_steps_ / num_steps, num_inference_steps_ - 1));
  std::vector<Turn> turns;
  for (const ImageTexts& image : texts_) turns.push_back({image.prompt->turn(step), image.negative_prompt ? image.negative_prompt->turn(step) : 0});
  if (turns == turns_) return;
  turns_ = std::move(turns);
  groups_ = make_groups();
}

GuidedUNet::Group GuidedUNet::make_group(std::vector<std::int64_t> images) const {
  std::vector<UNetContext> prompts, negatives;
  for (const std::int64_t i : images) {
    const auto image = static_cast<std::size_t>(i);
    prompts.push_back(prompt_of(image));
    if (texts_[image].negative_prompt) negatives.push_back(negative_of(image));
  }
  const UNetContext positive = joined(prompts);  // of m images
  const auto led_by = [&](Conditionings c) { return ConditionedUNet(unet_, std::move(c), shortcuts_); };
  const std::int64_t m = positive.states.dim(0);
  if (negatives.empty()) return {std::move(images), led_by(condition(positive, m)), {}, {}};
  const UNetContext negative = joined(negatives);
  if (negative.states.dim(1) != positive.states.dim(1))
    return {std::move(images), led_by(condition(positive, m)), led_by(condition(negative, 0)), {}};
  const Conditionings both = condition(concat_images(negative, positive), m);
  Group group{std::move(images), led_by(second_half(both)), {}, led_by(both)};
  if (unet_->config().edits_pictures()) group.negative = led_by(condition(negative, 0));
  return group;
}

std::vector<GuidedUNet::Group> GuidedUNet::make_groups() const {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> by_length;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    const std::int64_t negative_length = texts_[i].negative_prompt ? negative_of(i).states.dim(1) : 0;
    by_length[{prompt_of(i).states.dim(1), negative_length}].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<Group> groups;
  for (auto& [lengths, images] : by_length) groups.push_back(make_group(std::move(images)));
  return groups;
}

bool GuidedUNet::guided(int step, int num_steps) const {
  const auto at = [&](float share) { return static_cast<int>(as_written(share) * num_steps); };
  return scale_ > 1 && at(start_) <= step && step < at(stop_);
}

Tensor GuidedUNet::predict(Group& group, const Tensor& sample, const Asked& asked, const PictureGuidance* picture) const {
  const auto by = [&](ConditionedUNet& unet, const Tensor& x) { return unet.predict(x, asked.timestep, asked.controls, asked.renew); };
  if (!asked.guided) return by(group.prompt, sample);
  const auto one_by_one = [&] {
    const Tensor negative = by(*group.negative, sample);
    return ops::concat_images(negative, by(group.prompt, sample));
  };
  const Tensor both = group.both ? by(*group.both, sample) : one_by_one();
  if (picture == nullptr) return guide(both, scale_, rescale_);
  return guide_by_picture(by(*group.negative, picture->without), both, scale_, picture->scale);
}

Tensor GuidedUNet::predict(const Tensor& sample, double timestep, int step, int num_steps, const PictureGuidance* picture) {
  if (calls_ == 0) first_step_ = step;
  const bool now = guided(step, num_steps), renew = shortcuts_.renews_at(calls_) || now != guided_;
  take_turns(num_steps);
  guided_ = now;
  const Asked asked{timestep, now, renew, controls_at(step, num_steps)};
  if (groups_.size() == 1) return predict(groups_.front(), sample, asked, picture);
  std::vector<Tensor> predictions(texts_.size());
  for (Group& group : groups_) {
    const auto of_group = [&](const Tensor& all) {
      std::vector<Tensor> some;
      for (const std::int64_t i : group.images) some.push_back(all.slice(i, 1));
      return joined(some);
    };
    PictureGuidance for_group;
    if (picture != nullptr) for_group = {of_group(picture->without), picture->scale};
    const Tensor prediction = predict(group, of_group(sample), asked, picture == nullptr ? nullptr : &for_group);
    for (std::size_t i = 0; i < group.images.size(); ++i)
      predictions[static_cast<std::size_t>(group.images[i])] = prediction.slice(static_cast<std::int64_t>(i), 1);
  }
  return joined(predictions);
}

}  // namespace impasto
