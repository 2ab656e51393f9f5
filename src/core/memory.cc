#include "core/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace impasto {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The number at the head of a file; `otherwise` when there is no such file or it says "max".
std::int64_t read_number(const std::string& path, std::int64_t otherwise) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : otherwise;
}

/// The number after `key` in a file of lines "key value" or "key: value kB".
std::int64_t read_field(const std::string& path, const std::string& key, std::int64_t otherwise) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return otherwise;
}

struct CgroupFiles {
  const char *limit, *usage, *reclaimable;
};
constexpr CgroupFiles kVersion1{"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"};
constexpr CgroupFiles kVersion2{"/memory.max", "/memory.current", "inactive_file"};

/// What this group and each group above it still grant. Page cache that nobody uses counts as usage there, but makes room when asked.
std::int64_t cgroup_headroom(const std::string& mount, std::string group, const CgroupFiles& files) {
  std::int64_t least = kUnlimited;
  for (;;) {
    const std::string folder = mount + group;
    const std::int64_t limit = read_number(folder + files.limit, kUnlimited);
    if (limit < kUnlimited / 2) {  // version 1 says "none" with a number near 2^63
      const std::int64_t usage = read_number(folder + files.usage, 0);
      const std::int64_t cache = read_field(folder + "/memory.stat", files.reclaimable, 0);
      least = std::min(least, std::max<std::int64_t>(0, limit - usage + std::min(cache, usage)));
    }
    if (group.empty()) return least;
    group.resize(group.rfind('/'));
  }
}

/// The process' groups, from lines "7:memory:/a/b" (version 1) and "0::/a/b" (version 2). Inside a container the path may be the host's:
/// the walk up to the mount still meets the container's own limit there.
std::int64_t cgroup_headroom(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::int64_t least = kUnlimited;
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first, second - first + 1);
    for (char& c : controllers) c = c == ':' ? ',' : c;  // ",memory,": every name between commas
    std::string group = line.substr(second + 1);
    if (group.empty() || group.front() != '/' || group == "/") group.clear();
    if (controllers == ",,") least = std::min(least, cgroup_headroom(root + "/sys/fs/cgroup", group, kVersion2));
    if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, cgroup_headroom(root + "/sys/fs/cgroup/memory", group, kVersion1));
    }
  }
  return least;
}

std::int64_t address_space_headroom() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const std::int64_t used = read_number("/proc/self/statm", 0) * sysconf(_SC_PAGESIZE);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::min<rlim_t>(limit.rlim_cur, kUnlimited)) - used);
}

}  // namespace

std::int64_t available_memory() { return std::min(available_memory_under(""), address_space_headroom()); }

std::int64_t available_memory_under(const std::string& root) {
  const std::int64_t system = read_field(root + "/proc/meminfo", "MemAvailable:", kUnlimited / 1024) * 1024;
  return std::min(system, cgroup_headroom(root));
}

std::string in_gigabytes(std::int64_t bytes) {
  std::ostringstream s;
  s.precision(3);
  s << static_cast<double>(bytes) / 1e9 << " GB";
  return s.str();
}

std::int64_t peak_resident_memory() {
  const std::int64_t kilobytes = read_field("/proc/self/status", "VmHWM:", 0);
  if (kilobytes > 0) return kilobytes * 1024;
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

}  // namespace impasto
