#include "cli/saver.h"

#include <filesystem>
#include <optional>

#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/text.h"
#include "impasto/metadata.h"

namespace impasto::cli {
namespace {

/// Writes a picture, and where that fails puts it as PNG into the folder for temporary files: minutes of work should not be lost to a full disk.
void write(const std::string& path, const Image& image, const std::string& text, std::uint64_t seed, const EncodeOptions& encoding) {
  try {
    write_image(path, image, {{"parameters", text}}, encoding);
  } catch (const Error& error) {
    std::error_code no_folder;
    const std::string rescue = free_name(std::filesystem::temp_directory_path(no_folder).string(), seed);
    try {
      write_png(rescue, image, {{"parameters", text}});
    } catch (const Error&) {
      throw error;
    }
    throw Error(error.kind(), std::string(error.what()) + ". The picture was saved as " + rescue + " instead");
  }
}

/// What a picture says of itself.
std::string text_of(const Request& request, const PlannedPicture& picture, const TextToImageResult& result, const ModelInfo& model, int index) {
  InpaintOptions options = request.options;
  options.prompt = picture.prompt, options.negative_prompt = picture.negative_prompt;
  options.prompt_2 = picture.prompt_2, options.negative_prompt_2 = picture.negative_prompt_2;
  switch (request.task) {
    case Task::text_to_image: return infotext(static_cast<const TextToImageOptions&>(options), result, model, index);
    case Task::image_to_image: return infotext(static_cast<const ImageToImageOptions&>(options), result, model, index);
    default: return infotext(options, result, model, index);
  }
}

}  // namespace

void Saver::save(const Batch& batch, const TextToImageResult& result) {
  const HoldInterrupts hold;
  std::optional<Error> failure;
  for (std::size_t i = 0; i < result.images.size(); ++i) {
    const std::size_t number = batch.first + i;
    const std::uint64_t seed = result.seeds.at(i);
    const std::string name = output_.name(static_cast<int>(number), seed);
    try {
      write(name, result.images[i], text_of(request_, request_.pictures[number], result, model_, static_cast<int>(i)), seed, encoding_);
      names_.push_back(name);
      if (tell_) print_line(::isatty(STDOUT_FILENO) == 1 ? printable(name) : name);
    } catch (const Error& error) {
      if (failure) warn(error.what());
      if (!failure) failure = error;
    }
  }
  if (failure) throw *failure;
}

void Saver::save_sheet(const Image& sheet, const TextToImageResult& all) {
  const HoldInterrupts hold;
  sheet_name_ = output_.sheet_name(all.seeds.front());
  write(sheet_name_, sheet, text_of(request_, request_.pictures.front(), all, model_, 0), all.seeds.front(), encoding_);
  if (tell_) print_line(::isatty(STDOUT_FILENO) == 1 ? printable(sheet_name_) : sheet_name_);
}

}  // namespace impasto::cli
