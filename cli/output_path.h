// Where the pictures go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace impasto::cli {

/// What `--output` means, in the order it is looked at:
///   nothing                        impasto-SEED.png in the current folder
///   a folder that exists, or "x/"  impasto-SEED.png inside it
///   a pattern                      %d or %03d and {index} give the picture's number from 1, {seed} its seed: cat-%03d.png
///   a name                         cat.png; cat-1.png, cat-2.png, ... when there are several pictures
/// A file that the user named is overwritten; where only the folder was named, a name that is free is chosen. The extension says
/// the format: .png, .jpg, .jpeg or .webp; a name without one gets .png, and another is refused. A device or a pipe (/dev/stdout) is taken as it is.
class OutputPath {
 public:
  /// Throws invalid_argument for another extension.
  OutputPath(const std::string& text, int num_images);

  /// The file for picture `index` (from 0).
  std::string name(int index, std::uint64_t seed) const;

  /// A file beside it, for what the picture is like at a step: cat-1-step-05.png. Overwritten where it is there, unless the picture's name is ours:
  /// then it is one that is free, and name() follows it.
  std::string preview_name(int index, std::uint64_t seed, int step) const;
  /// For all pictures on one sheet: cat-grid.png; `seed` is the first's.
  std::string sheet_name(std::uint64_t seed) const;
  /// Whether pictures go to a file, rather than to a device or a pipe.
  bool is_file() const;

  /// Looks whether the pictures, each of `bytes` at least, can be written: before the minutes of drawing rather than after.
  /// Throws not_found for a missing folder, io for one that is read-only or full, invalid_argument for a folder in the place of a file
  /// or two pictures with one name.
  void check(const std::vector<std::uint64_t>& seeds, std::int64_t bytes) const;

 private:
  const std::string& base_of(int index, std::uint64_t seed, const std::string& mark) const;

  std::string pattern_;
  bool generated_ = false;  ///< the name is ours, so it must not hit a file
  /// Without ".png", by pictures' indices: what their previews are called.
  mutable std::map<int, std::string> bases_;
};

/// `folder`/impasto-SEED.png, or impasto-SEED-2.png, ... if that is taken.
std::string free_name(const std::string& folder, std::uint64_t seed);

}  // namespace impasto::cli
