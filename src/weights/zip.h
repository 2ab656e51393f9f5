// Zip archives, as far as PyTorch writes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/byte_source.h"

namespace impasto {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t stored_bytes = 0, bytes = 0;  ///< in the archive, and unpacked
  std::uint64_t begin = 0;                    ///< of the stored bytes, in the file
};

/// Entries by name, with their places checked: nothing overlaps, every local header agrees with the directory, names are plain relative paths and
/// stand once. Refuses encryption, other packings than deflate, archives in several volumes and anything after or between the directory's
/// parts. Throws bad_file, unsupported.
std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

/// An entry unpacked, its CRC-32 checked. Throws bad_file when it takes more than `max_bytes` or is damaged.
std::string read_zip_entry(const ByteSource& source, const ZipEntry& entry, std::size_t max_bytes);

}  // namespace impasto
