// Files that are either whole or not there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace impasto {

/// Writes a file without a name in the folder, syncs it, names it, renames it to `path` and syncs the folder. A crash at any moment leaves the
/// old file or the new one under that name, and nothing else unless it comes between naming and renaming, or the file system has no nameless
/// files (then at worst a file .impasto-*.tmp beside it). A symbolic link is followed and stays; the mode of a file
/// that was there is kept, unless `mode` gives one, which then holds before the first byte is written. A device or a pipe is written to
/// directly, since renaming would replace it.
/// Throws io naming the path, the bytes and the reason; nothing is left behind then.
void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes, std::optional<unsigned> mode = {});

}  // namespace impasto
