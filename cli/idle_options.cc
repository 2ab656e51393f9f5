#include "cli/idle_options.h"

#include <algorithm>
#include <initializer_list>

#include "cli/report.h"
#include "cli/xl_arguments.h"
#include "impasto/error.h"
#include "impasto/lora.h"

namespace impasto::cli {
namespace {

void warn_of(const GenerateArguments& a, std::initializer_list<const char*> options, const std::string& why) {
  std::string idle;
  for (const char* option : options)
    if (given(a, option)) idle += (idle.empty() ? "" : ", ") + std::string(option);
  if (!idle.empty()) warn(idle + ": without effect; " + why);
}

void warn_of_model(const GenerateArguments& a, const Request& request, const ModelInfo& model) {
  if (model.editing)
    warn_of(a, {"--strength", "--guidance-rescale"}, "models that edit pictures (InstructPix2Pix) take none");
  else
    warn_of(a, {"--image-guidance-scale"}, "for models that edit pictures (InstructPix2Pix) alone");
  if (!is_xl(model))
    warn_of(a,
            {"--original-size", "--target-size", "--crops-coords-top-left", "--negative-original-size", "--negative-target-size",
             "--negative-crops-coords-top-left"},
            "for Stable Diffusion XL alone");
  const bool scored = !request.refiner.empty() || is_refiner(model);
  if (!scored) warn_of(a, {"--aesthetic-score", "--negative-aesthetic-score"}, "for refiners alone");
  const std::string& sampler = request.options.scheduler.empty() ? model.scheduler : request.options.scheduler;
  const auto scheduler = find_scheduler(sampler);
  if (request.options.eta != 0 && scheduler && scheduler->scheduler != "ddim" && scheduler->scheduler != "tcd")
    warn_of(a, {"--eta"}, "for ddim and tcd alone, and the scheduler is " + sampler);
}

void warn_of_format(const GenerateArguments& a, const OutputPath& output) {
  if (!output.is_file()) return;
  const ImageFormat format = image_format_of(output.name(0, 0)).value_or(ImageFormat::png);
  if (format == ImageFormat::png) warn_of(a, {"--quality", "--lossless"}, "PNG keeps every pixel always");
  if (format == ImageFormat::jpeg) warn_of(a, {"--lossless"}, "for WebP alone");
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

/// Of the embeddings the first are those that were named one by one.
void warn_of_words(const GenerateArguments& a, const Request& request) {
  const std::string text = lower(all_text(request.pictures));
  for (std::size_t i = 0; i < std::min(a.prompt.embeddings.size(), request.options.embeddings.size()); ++i) {
    const std::vector<std::string>& names = request.options.embeddings[i].names;
    const bool used = std::any_of(names.begin(), names.end(), [&](const std::string& name) { return text.find(lower(name)) != text.npos; });
    if (!used) warn("--embedding " + a.prompt.embeddings[i] + ": its word, \"" + names.front() + "\", is in no prompt");
  }
}

/// Tags count in the prompt alone, as in A1111; elsewhere they are text.
void warn_of_tags(const Request& request) {
  const auto tagged = [](const std::string& text) { return text.find("<lora:") != text.npos; };
  for (const auto& [field, name] : {std::pair(&PlannedPicture::negative_prompt, "--negative-prompt"),
                                    {&PlannedPicture::prompt_2, "--prompt-2"},
                                    {&PlannedPicture::negative_prompt_2, "--negative-prompt-2"}})
    if (std::any_of(request.pictures.begin(), request.pictures.end(), [&, f = field](const PlannedPicture& p) { return tagged(p.*f); }))
      warn(std::string(name) + ": <lora:...> is text there; adapters are named in the prompt, or by --lora");
}

}  // namespace

void require_partners(const GenerateArguments& a) {
  if (given(a, "--safety-checker") && !given(a, "--safety"))
    throw Error(ErrorKind::invalid_argument, "--safety-checker needs --safety, what to do with pictures that it flags: flag, blur or black");
  if (given(a, "--inpaint-padding") && a.picture.inpaint_area != InpaintArea::masked)
    throw Error(ErrorKind::invalid_argument, "--inpaint-padding needs --inpaint-area masked, which looks at so much around the mask");
}

void warn_of_idle_options(const GenerateArguments& a, const Request& request, const ModelInfo& model, const OutputPath& output) {
  warn_of_model(a, request, model);
  warn_of_format(a, output);
  warn_of_words(a, request);
  warn_of_tags(request);
  warn_of_names(a.lora);
}

}  // namespace impasto::cli
