// Pictures onto the disk.
#pragma once

#include <string>
#include <vector>

#include "cli/output_path.h"
#include "cli/run_report.h"
#include "impasto/error.h"

namespace impasto::cli {

/// Writes pictures with their settings.
class Saver {
 public:
  /// `tell` prints each name. The arguments must outlive it.
  Saver(const OutputPath& output, const EncodeOptions& encoding, const Request& request, const ModelInfo& model, bool tell)
      : output_(output), encoding_(encoding), request_(request), model_(model), tell_(tell) {}

  /// Saves all pictures of a batch that can be saved; the first failure is thrown afterwards.
  void save(const Batch& batch, const TextToImageResult& result);
  /// All pictures on one sheet, which says what the first says.
  void save_sheet(const Image& sheet, const TextToImageResult& all);
  const std::vector<std::string>& names() const { return names_; }
  const std::string& sheet_name() const { return sheet_name_; }  ///< empty where there is none

 private:
  const OutputPath& output_;
  const EncodeOptions& encoding_;
  const Request& request_;
  const ModelInfo& model_;
  const bool tell_;
  std::vector<std::string> names_;
  std::string sheet_name_;
};

}  // namespace impasto::cli
