// A zip archive. What is accepted has entries under different plain names that lie in the file one beside the other, and no entry unpacks to more
// than was asked for or than it says.
#include <algorithm>

#include "fuzz.h"
#include "weights/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported}, [&] {
    const MemoryBytes source(fuzz::text(data, size), "input");
    std::vector<ZipEntry> entries = read_zip_directory(source);
    for (std::size_t i = 1; i < entries.size(); ++i) CHECK(entries[i - 1].name < entries[i].name);
    for (const ZipEntry& entry : entries) {
      CHECK(!entry.name.empty() && entry.name.front() != '/' && entry.name.find("/../") == entry.name.npos);
      CHECK(entry.begin <= size && entry.stored_bytes <= size - entry.begin && (entry.deflated || entry.bytes == entry.stored_bytes));
      constexpr std::size_t kMost = 1 << 20;
      fuzz::expect_error_or_result({ErrorKind::bad_file}, [&] {
        const std::string bytes = read_zip_entry(source, entry, kMost);
        CHECK(bytes.size() <= kMost && bytes.size() == entry.bytes);
      });
    }
    std::sort(entries.begin(), entries.end(), [](const ZipEntry& a, const ZipEntry& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < entries.size(); ++i) CHECK(entries[i - 1].begin + entries[i - 1].stored_bytes <= entries[i].begin);
  });
  return 0;
}
