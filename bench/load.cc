// How long opening a model takes beside reading its file once, from a warm cache, in turns:
//     bench_load ROUNDS TOKENIZER FILE...
// prints, for each file, medians: `scan`, read() through one small buffer; `read`, read() into memory of its own; `load`, Pipeline::load; `map`, the
// same with map_weights; and the processor time of `read` and `load`, which other work on the machine disturbs less. A ratio is the median of each
// round's. Before `read` and `load` as much memory is touched and given back: a virtual machine may have to get it from its host, which takes longer
// than all that is measured, and whoever comes first would pay for it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impasto/error.h"
#include "impasto/pipeline.h"

namespace {

void touch_memory(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 1, bytes);
  ::munmap(memory, bytes);
}

double processor_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Time {
  double wall, processor;
};

template <typename F>
Time time_of(const F& f) {
  const double processor = processor_time();
  const auto begin = std::chrono::steady_clock::now();
  f();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), processor_time() - processor};
}

/// All of the file, in pieces of 1 MB: each to its own place, or all to one.
void read_once(const std::string& path, bool keep) {
  constexpr std::size_t kPiece = 1 << 20;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat s {};
  if (fd < 0 || ::fstat(fd, &s) != 0) std::perror(path.c_str()), std::exit(1);
  const auto memory = std::make_unique_for_overwrite<char[]>(keep ? static_cast<std::size_t>(s.st_size) + kPiece : kPiece);
  std::size_t at = 0;
  for (ssize_t n = 0; (n = ::read(fd, memory.get() + (keep ? at : 0), kPiece)) > 0;) at += static_cast<std::size_t>(n);
  ::close(fd);
  if (at != static_cast<std::size_t>(s.st_size)) std::fprintf(stderr, "%s: cannot be read\n", path.c_str()), std::exit(1);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(ratios);
}

struct Times {
  std::vector<double> scan, read, load, map, read_processor, load_processor;
};

void take_turn(const std::string& file, const std::string& tokenizer, bool load_first, Times& times) {
  const auto load = [&](bool map) { impasto::Pipeline::load(file, {.map_weights = map, .parts = {.tokenizer = tokenizer}}); };
  const std::size_t bytes = std::filesystem::file_size(file);
  const auto load_copy = [&] {
    touch_memory(bytes);
    const Time t = time_of([&] { load(false); });
    times.load.push_back(t.wall), times.load_processor.push_back(t.processor);
  };
  if (load_first) load_copy();
  touch_memory(bytes);
  const Time read = time_of([&] { read_once(file, /*keep=*/true); });
  times.read.push_back(read.wall), times.read_processor.push_back(read.processor);
  if (!load_first) load_copy();
  times.scan.push_back(time_of([&] { read_once(file, /*keep=*/false); }).wall);
  times.map.push_back(time_of([&] { load(true); }).wall);
}

void run(int rounds, const std::string& tokenizer, const std::vector<std::string>& files) {
  std::vector<Times> all(files.size());
  for (const std::string& file : files) read_once(file, /*keep=*/false);  // warms the cache
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < files.size(); ++i) take_turn(files[i], tokenizer, round % 2 == 1, all[i]);
  std::printf("%8s %8s %8s %8s %9s %9s  %9s %9s %9s %10s\n", "scan, s", "read, s", "load, s", "map, s", "read, cpu", "load, cpu", "load/read",
              "load/scan", "map/scan", "load/first");
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Times& t = all[i];
    std::printf("%8.3f %8.3f %8.3f %8.3f %9.3f %9.3f  %9.2f %9.2f %9.2f %10.2f  %s\n", median(t.scan), median(t.read), median(t.load), median(t.map),
                median(t.read_processor), median(t.load_processor), median_ratio(t.load, t.read), median_ratio(t.load, t.scan),
                median_ratio(t.map, t.scan), median_ratio(t.load, all[0].load), files[i].c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fputs("usage: bench_load ROUNDS TOKENIZER FILE...\n", stderr), 2;
  try {
    run(std::max(1, std::atoi(argv[1])), argv[2], {argv + 3, argv + argc});
  } catch (const impasto::Error& error) {
    return std::fprintf(stderr, "bench_load: %s\n", error.what()), 1;
  }
  return 0;
}
