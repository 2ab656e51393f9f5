// A checkpoint of tests/data in a temporary folder, to be damaged.
#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace impasto::test {

class CheckpointCopy {
 public:
  explicit CheckpointCopy(const std::string& name);

  const std::string& path() const { return path_; }
  std::string path(const std::string& file) const { return path_ + "/" + file; }
  std::string weights(const std::string& component) const;

  /// Sets fields of a JSON file; a null value removes the field.
  void edit(const std::string& file, const Json& changes) const;
  void overwrite(const std::string& file, std::string_view content) const;
  void remove(const std::string& file) const { std::filesystem::remove_all(path(file)); }
  /// Keeps the first `bytes` of a file.
  void truncate(const std::string& file, std::uintmax_t bytes) const { std::filesystem::resize_file(path(file), bytes); }
  /// Writes NaN over the first values of the component's first tensor that is used at every step; returns its name.
  std::string poison(const std::string& component) const;

 private:
  TemporaryFolder folder_;
  std::string path_;
};

}  // namespace impasto::test
