// Options from A1111's text.
#include <cmath>

#include "core/fail.h"
#include "core/guard.h"
#include "image/infotext_fields.h"
#include "image/infotext_values.h"
#include "image/infotext_warnings.h"

namespace impasto {
namespace {

/// What A1111 takes by itself.
std::string automatic_schedule(const std::string& sampler) {
  for (const char* karras : {"dpm++_2m", "dpm++_sde", "dpm2", "dpm2_a"})
    if (sampler == karras) return "karras";
  return sampler == "dpm++_2m_sde" ? "exponential" : "uniform";
}

/// Sets options by the fields; what cannot be understood becomes a warning.
class Applier {
 public:
  Applier(const Infotext& text, InpaintOptions& options, const NamedBeside& beside) : text_(text), o_(options), beside_(beside) {}

  std::vector<std::string> apply() {
    o_.prompt = text_.prompt;
    o_.negative_prompt = text_.negative_prompt;
    read("Steps", [&](const std::string& value) { return read_number(value, o_.num_inference_steps); });
    o_.timesteps.clear(), o_.sigmas.clear();
    read("Timesteps", [&](const std::string& value) { return read_numbers(value, o_.timesteps); });
    read("Sigmas", [&](const std::string& value) { return read_numbers(value, o_.sigmas); });
    read("CFG scale", [&](const std::string& value) { return read_number(value, o_.guidance_scale); });
    read("Image CFG scale", [&](const std::string& value) { return read_number(value, o_.image_guidance_scale); });
    read("Seed", [&](const std::string& value) { return read_number(value, o_.seed); });
    read("Variation seed", [&](const std::string& value) { return read_number(value, o_.variation_seed); });
    read("Variation seed strength", [&](const std::string& value) { return read_number(value, o_.variation_strength); });
    rng();
    read("Size", [&](const std::string& value) { return size(value); });
    read("Sampler", [&](const std::string& value) { return sampler(value); });
    read("Schedule type", [&](const std::string& value) { return schedule(value); });
    read("Clip skip", [&](const std::string& value) { return clip_skip(value); });
    prompt_syntax();
    read("Eta DDIM", [&](const std::string& value) { return read_number(value, o_.eta); });
    read("CFG Rescale", [&](const std::string& value) { return read_number(value, o_.guidance_rescale); });
    read("Guidance start", [&](const std::string& value) { return read_number(value, o_.guidance_start); });
    read("Guidance stop", [&](const std::string& value) { return read_number(value, o_.guidance_stop); });
    read("Deep cache interval", [&](const std::string& value) { return read_number(value, o_.deep_cache_interval); });
    read("Token merging ratio", [&](const std::string& value) { return read_number(value, o_.token_merging_ratio); });
    if (text_.value("VAE tiling") == "true") o_.vae_tiling = true;
    hires();
    read("Denoising strength",
         [&](const std::string& value) { return o_.hires ? read_number(value, o_.hires->strength) : read_number(value, o_.strength); });
    read("Mask blur", [&](const std::string& value) { return read_number(value, o_.mask_blur); });
    read("Masked area padding", [&](const std::string& value) { return read_number(value, o_.inpaint_padding); });
    if (text_.value("Mask mode") == "Inpaint not masked") o_.invert_mask = true;
    if (text_.value("Inpaint area") == "Only masked") o_.inpaint_area = InpaintArea::masked;
    if (text_.value("Keep unmasked") == "false") o_.keep_unmasked = false;
    xl();
    warn(named_again(text_, beside_));
    controls();
    warn(left_out(text_));
    return std::move(warnings_);
  }

 private:
  /// A1111 says nothing of its default, which is the GPU's.
  void rng() {
    const std::string name = text_.value("RNG");
    const bool a1111 = name.empty() && !text_.value("Version").starts_with("impasto");
    o_.rng = a1111 || name == "NV" || name == "GPU" ? Rng::cuda : Rng::cpu;
  }

  void warn(const std::vector<std::string>& more) { warnings_.insert(warnings_.end(), more.begin(), more.end()); }

  template <typename F>
  void read(const char* key, const F& set) {
    const std::string value = text_.value(key);
    if (!value.empty() && !set(value)) warnings_.push_back(concat("\"", key, ": ", value, "\" is not understood and was left out"));
  }

  void hires() {
    o_.hires.reset();
    if (text_.value("Hires upscale").empty() && text_.value("Hires resize").empty()) return;
    Hires& h = o_.hires.emplace();
    read("Hires upscale", [&](const std::string& value) { return read_number(value, h.scale); });
    read("Hires resize", [&](const std::string& value) { return hires_size(value, h.scale); });
    read("Hires steps", [&](const std::string& value) { return read_number(value, h.num_inference_steps); });
    const std::string upscaler = text_.value("Hires upscaler");
    h.upscaler = upscaler.empty() || upscaler.starts_with("Latent") ? HiresUpscaler::latent : HiresUpscaler::lanczos;
    if (!upscaler.empty() && upscaler != "Latent" && upscaler != "Lanczos")
      warnings_.push_back(concat("\"Hires upscaler: ", upscaler, "\" is not there: ", to_string(h.upscaler), " takes its place"));
  }

  /// "1024x1536", or 0 for a side that follows from the other; how much larger that is.
  bool hires_size(const std::string& value, double& scale) {
    int width = 0, height = 0;
    if (!read_sides(value, width, height)) return false;
    if (o_.width < 1 || o_.height < 1 || (width < 1 && height < 1)) return false;
    if (width > 0 && height > 0 && std::abs(width * static_cast<double>(o_.height) / o_.width - height) >= 8)
      warnings_.push_back(
          concat("\"Hires resize: ", value, "\" is of other proportions than what is drawn first: the width counts, nothing is cut off"));
    scale = width > 0 ? static_cast<double>(width) / o_.width : static_cast<double>(height) / o_.height;
    return true;
  }

  void xl() {
    o_.prompt_2 = text_.value("Prompt 2");
    o_.negative_prompt_2 = text_.value("Negative prompt 2");
    o_.micro_conditions = conditions("Original size", "Crop top", "Crop left", "Target size");
    o_.negative_micro_conditions = conditions("Negative original size", "Negative crop top", "Negative crop left", "Negative target size");
    read("Aesthetic score", [&](const std::string& value) { return read_number(value, o_.aesthetic_score); });
    read("Negative aesthetic score", [&](const std::string& value) { return read_number(value, o_.negative_aesthetic_score); });
  }

  MicroConditions conditions(const char* original, const char* top, const char* left, const char* target) {
    MicroConditions m;
    const auto take_size = [](const std::string& value, std::optional<PictureSize>& into) {
      PictureSize size;
      if (!read_sides(value, size.width, size.height)) return false;
      into = size;
      return true;
    };
    read(original, [&](const std::string& value) { return take_size(value, m.original_size); });
    read(target, [&](const std::string& value) { return take_size(value, m.target_size); });
    PicturePoint corner;
    read(top, [&](const std::string& value) { return read_number(value, corner.top); });
    read(left, [&](const std::string& value) { return read_number(value, corner.left); });
    if (!text_.value(top).empty() || !text_.value(left).empty()) m.crops_coords_top_left = corner;
    return m;
  }

  /// The pictures that they followed are not recorded.
  void controls() {
    o_.controls.clear(), o_.ip_adapter_images.clear();
    for (int k = 0;; ++k) {
      const std::string value = text_.value(concat("ControlNet ", k));
      if (value.empty()) return;
      Infotext inner;
      inner.fields = read_fields(value);
      if (inner.value("Module").starts_with("ip-adapter")) {
        ip_adapter(inner);
        continue;
      }
      Control read;
      const bool understood = read_number(inner.value("Weight"), read.scale) && read_number(inner.value("Guidance Start"), read.start) &&
                              read_number(inner.value("Guidance End"), read.stop);
      Control& control = o_.controls.emplace_back(understood ? read : Control());
      control.guess_mode = inner.value("Control Mode") == "ControlNet is more important";
      const std::string again = beside_.controlnets ? "" : ", which has to be named again, with its picture";
      if (!again.empty() || !understood)
        warnings_.push_back(
            concat("it was led by the ControlNet ", inner.value("Model"), again, understood ? "" : "; its settings are not understood"));
    }
  }

  void ip_adapter(const Infotext& unit) {
    const bool understood = read_number(unit.value("Weight"), o_.ip_adapter_images.emplace_back().scale);
    const bool whole = unit.value("Guidance Start") == "0" && unit.value("Guidance End") == "1";
    if (beside_.ip_adapters && understood && whole) return;
    warnings_.push_back(concat(
        "it was drawn with the IP-Adapter ", unit.value("Model"), beside_.ip_adapters ? "" : ", which has to be named again, with its picture",
        understood ? "" : "; its weight is not understood", whole ? "" : "; it was at work in a part of the steps only, which is not supported"));
  }

  bool size(const std::string& value) { return read_sides(value, o_.width, o_.height); }

  /// A1111 counts from 1.
  bool clip_skip(const std::string& value) {
    int layers = 0;
    if (!read_number(value, layers) || layers < 1) return false;
    o_.clip_skip = layers - 1;
    return true;
  }

  /// Our pictures say it where it is not plain; other programs write A1111's text because they read A1111's syntax.
  void prompt_syntax() {
    if (text_.fields.empty()) return;
    o_.prompt_syntax = PromptSyntax::plain;
    if (text_.value("Version").starts_with("impasto ")) {
      read("Prompt syntax", [&](const std::string& value) { return named_syntax(value); });
      return;
    }
    o_.prompt_syntax = PromptSyntax::a1111;
    if (!beside_.prompt_syntax) warnings_.push_back("it was drawn by another program: its prompts are read in a1111 syntax");
    const std::string emphasis = text_.value("Emphasis");
    if (!emphasis.empty() && emphasis != "Original")
      warnings_.push_back(concat("\"Emphasis: ", emphasis, "\" is not supported: weights are applied as by \"Original\""));
  }

  bool named_syntax(const std::string& name) {
    for (const PromptSyntax syntax : {PromptSyntax::a1111, PromptSyntax::comfyui}) {
      if (name != to_string(syntax)) continue;
      o_.prompt_syntax = syntax;
      return true;
    }
    return false;
  }

  /// Also as it was written before "Schedule type" came up: "DPM++ 2M Karras".
  bool sampler(const std::string& name) {
    const auto found = find_scheduler(name);
    if (!found) return false;
    o_.scheduler = found->scheduler;
    o_.schedule = found->schedule;
    o_.use_karras_sigmas.reset();
    return true;
  }

  bool schedule(const std::string& name) {
    const auto found = find_schedule(name);
    if (!found) return false;
    o_.use_karras_sigmas.reset();
    o_.schedule = found->empty() ? automatic_schedule(o_.scheduler) : *found;
    return true;
  }

  const Infotext& text_;
  InpaintOptions& o_;
  const NamedBeside beside_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::vector<std::string> apply_infotext(const Infotext& text, InpaintOptions& options, const NamedBeside& beside) {
  return guarded([&] { return Applier(text, options, beside).apply(); });
}

}  // namespace impasto
