// Drawing a run's pictures, batch by batch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/generate_arguments.h"
#include "cli/output_path.h"
#include "cli/progress.h"
#include "cli/run_report.h"

namespace impasto::cli {

/// Loads the model and draws, showing how far it is; Ctrl-C ends it with Error{cancelled}.
class Artist {
 public:
  /// Loads what is to be drawn first. All arguments must outlive it.
  Artist(const GenerateArguments& arguments, const std::string& path, const Request& request, const OutputPath& output, Progress& progress);

  /// `saved`: pictures that are safe already, for the message when it is stopped.
  TextToImageResult draw(const Batch& batch, std::size_t saved);
  double load_seconds() const { return load_seconds_; }

 private:
  const Pipeline& with(const std::vector<Lora>& loras);
  TextToImageResult refine(const InpaintOptions& options, TextToImageResult drawn);
  void save_previews(const Batch& batch, const StepInfo& info);

  const GenerateArguments& arguments_;
  const std::string& path_;
  const Request& request_;
  const OutputPath& output_;
  Progress& progress_;
  bool preview_failed_ = false;
  double load_seconds_ = 0;
  std::optional<Pipeline> plain_, adapted_;  // adapted_: with loras_
  std::vector<Lora> loras_;
  std::optional<Pipeline> refiner_;
};

/// Throws what the library would throw for a batch before it draws.
void check_options(const Request& request, const Batch& batch, const ModelInfo& model, const LoadOptions& load);

}  // namespace impasto::cli
