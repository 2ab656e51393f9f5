// What a run of `impasto generate` says about itself.
#pragma once

#include <string>
#include <vector>

#include "cli/report.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

/// Seconds, beside the library's own for each stage.
struct RunTimes {
  double load = 0, total = 0;
};

/// The first message, on standard error: model, scheduler, size, steps, seed. The options have seed and size settled.
void announce(const TextToImageOptions& options, const ModelInfo& model);

/// The last message, on standard error: where the time went, and the largest memory.
void summarize(const Timings& stages, const RunTimes& run);

/// What --json prints. `names` are the files of the images, in order.
Json report_json(const std::vector<std::string>& names, const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model,
                 const RunTimes& run);

}  // namespace impasto::cli
