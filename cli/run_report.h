// What a run of `impasto generate` says about itself.
#pragma once

#include <string>
#include <vector>

#include "cli/picture_arguments.h"
#include "cli/plan.h"
#include "cli/report.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

/// What is to be drawn: for tasks that are less than inpainting, the options' further fields mean nothing.
struct Request {
  Task task;
  std::string image, mask;  ///< names of the files
  InpaintOptions options;   ///< seed settled; no prompt, and num_images that of each prompt
  std::vector<PlannedPicture> pictures = {};
  std::string refiner = {};  ///< its path; empty: none
};

/// Seconds, beside the library's own for each stage.
struct RunTimes {
  double load = 0, total = 0;
};

/// The first message, on standard error: model, scheduler, size, steps, seed.
void announce(const Request& request, const ModelInfo& model);

/// The last message, on standard error: where the time went, and the largest memory.
void summarize(const Timings& stages, const RunTimes& run);

struct WrittenFiles {
  const std::vector<std::string>& names;  ///< of the images, in order
  std::string sheet;                      ///< empty where there is none
};

/// What --json prints.
Json report_json(const WrittenFiles& files, const Request& request, const TextToImageResult& result, const ModelInfo& model, const RunTimes& run);

}  // namespace impasto::cli
