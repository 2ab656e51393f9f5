// How much memory there is and how much we hold.
#pragma once

#include <cstdint>
#include <string>

namespace impasto {

/// Bytes this process could still take without swapping: MemAvailable, or what the cgroup or an address-space limit (ulimit -v) leaves
/// when that is less.
std::int64_t available_memory();

/// The part of it that the system's files tell, with /proc and /sys looked for under `root`: for tests.
std::int64_t available_memory_under(const std::string& root);

/// "2.15 GB", for messages; powers of ten.
std::string in_gigabytes(std::int64_t bytes);

/// Largest resident set so far, bytes.
std::int64_t peak_resident_memory();

}  // namespace impasto
