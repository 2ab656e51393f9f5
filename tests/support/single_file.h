// A checkpoint of tests/data as one safetensors file in the layout of the first releases.
#pragma once

#include <functional>
#include <string>

namespace impasto::test {

/// What a test changes about the file while it is made.
struct SingleFile {
  /// The name in the file; empty leaves the tensor out.
  std::function<std::string(const std::string& name)> rename = [](const std::string& name) { return name; };
  /// Of the file's "__metadata__", as JSON.
  std::string metadata = R"({"format":"pt"})";
  /// Other tensors, as such files carry them: a schedule, position ids, an EMA copy, one of a type that nobody computes with.
  bool foreign_tensors = true;
};

/// Writes tests/data/checkpoints/`checkpoint` (tiny-sd15, tiny-inpaint or tiny-sd21) to `path`, by the table in tests/data/single_files.
void write_single_file(const std::string& checkpoint, const std::string& path, const SingleFile& changes = {});

}  // namespace impasto::test
