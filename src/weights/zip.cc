// APPNOTE.TXT, PKWARE 6.3: a directory at the file's end says where entries are; each has a header of its own before its bytes.
#include "weights/zip.h"

#include <algorithm>
#include <limits>

#include <zlib.h>

#include "core/quote.h"

namespace impasto {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr std::uint16_t kEncrypted = 1, kSizesFollow = 8, kStrongEncryption = 64;  // flags
constexpr std::uint64_t kMostEntries = 200'000, kMostDirectoryBytes = 32'000'000;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // the number stands in a 64-bit field elsewhere

struct Directory {
  std::uint64_t entries = 0, bytes = 0, begin = 0;
};

[[noreturn]] void damaged(const ByteSource& source, const std::string& why) {
  fail(ErrorKind::bad_file, source.where(), ": its zip archive is damaged: ", why, "; get the file again");
}

/// The fields of the end record, with those of its 64-bit twin where there is one. PyTorch writes no comment after it.
Directory find_directory(const ByteSource& source) {
  const std::uint64_t size = source.size();
  if (size < kEndBytes) damaged(source, "it ends before its directory");
  const std::string kept = source.read(size - kEndBytes, kEndBytes);
  ByteReader r(kept, source.where());
  if (r.take<std::uint32_t>() != kEndSignature) damaged(source, "there is no directory at its end (cut short, or something was added)");
  const auto disk = r.take<std::uint16_t>(), first_disk = r.take<std::uint16_t>(), here = r.take<std::uint16_t>(), all = r.take<std::uint16_t>();
  Directory d;
  d.entries = all;
  d.bytes = r.take<std::uint32_t>();
  d.begin = r.take<std::uint32_t>();
  if (r.take<std::uint16_t>() != 0 || disk != 0 || first_disk != 0 || here != all) damaged(source, "its end record is not that of one volume");

  std::uint64_t end_of_entries = size - kEndBytes;
  const bool may_be_64 = size >= kEndBytes + kLocatorBytes + kEnd64Bytes;
  const std::string locator = may_be_64 ? source.read(size - kEndBytes - kLocatorBytes, kLocatorBytes) : std::string(kLocatorBytes, '\0');
  ByteReader l(locator, source.where());
  if (l.take<std::uint32_t>() == kLocator64Signature) {
    l.take<std::uint32_t>();  // the volume
    end_of_entries = size - kEndBytes - kLocatorBytes - kEnd64Bytes;
    if (l.take<std::uint64_t>() != end_of_entries) damaged(source, "its 64-bit end record is not where it should be");
    const std::string record = source.read(end_of_entries, kEnd64Bytes);
    ByteReader e(record, source.where());
    if (e.take<std::uint32_t>() != kEnd64Signature || e.take<std::uint64_t>() != kEnd64Bytes - 12) damaged(source, "its 64-bit end record is odd");
    e.take_bytes(12);  // versions, volumes
    const auto in_this_volume = e.take<std::uint64_t>();
    Directory wide;
    wide.entries = e.take<std::uint64_t>();
    if (wide.entries != in_this_volume) damaged(source, "its 64-bit end record is not that of one volume");
    wide.bytes = e.take<std::uint64_t>();
    wide.begin = e.take<std::uint64_t>();
    const bool agrees = (d.entries == 0xFFFF || d.entries == wide.entries) && (d.bytes == kIn64 || d.bytes == wide.bytes) &&
                        (d.begin == kIn64 || d.begin == wide.begin);
    if (!agrees) damaged(source, "its two end records contradict each other");
    d = wide;
  }
  if (d.entries > kMostEntries || d.bytes > kMostDirectoryBytes)
    damaged(source, concat("its directory claims ", d.entries, " entries in ", d.bytes, " bytes"));
  if (d.begin > end_of_entries || d.bytes != end_of_entries - d.begin) damaged(source, "its directory does not end where its end record begins");
  return d;
}

/// Replaces numbers that stand in the 64-bit extra field, in the order in which the format has them.
void read_extra(const ByteSource& source, std::string_view extra, std::initializer_list<std::uint64_t*> numbers) {
  ByteReader r(extra, source.where());
  while (r.left() >= 4) {
    const auto id = r.take<std::uint16_t>();
    ByteReader field(r.take_bytes(r.take<std::uint16_t>()), source.where());
    if (id != 1) continue;
    for (std::uint64_t* number : numbers)
      if (*number == kIn64) *number = field.take<std::uint64_t>();
    return;
  }
}

bool is_plain_path(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find_first_of(std::string_view("\\\0", 2)) != name.npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

ZipEntry read_entry(const ByteSource& source, ByteReader& r, std::uint64_t& header) {
  if (r.take<std::uint32_t>() != kEntrySignature) damaged(source, "its directory is not a list of entries");
  r.take_bytes(4);  // versions
  const auto flags = r.take<std::uint16_t>(), method = r.take<std::uint16_t>();
  r.take_bytes(4);  // time
  ZipEntry entry;
  entry.crc = r.take<std::uint32_t>();
  entry.stored_bytes = r.take<std::uint32_t>();
  entry.bytes = r.take<std::uint32_t>();
  const auto name_bytes = r.take<std::uint16_t>(), extra_bytes = r.take<std::uint16_t>(), comment_bytes = r.take<std::uint16_t>();
  r.take_bytes(8);  // volume, attributes
  header = r.take<std::uint32_t>();
  entry.name = r.take_bytes(name_bytes);
  read_extra(source, r.take_bytes(extra_bytes), {&entry.bytes, &entry.stored_bytes, &header});
  r.take_bytes(comment_bytes);
  if (!is_plain_path(entry.name)) damaged(source, "the entry " + in_quotes(entry.name) + " is not a plain relative path");
  if ((flags & (kEncrypted | kStrongEncryption)) != 0)
    fail(ErrorKind::unsupported, source.where(), ": the zip entry ", in_quotes(entry.name), " is encrypted");
  if (method != 0 && method != Z_DEFLATED)
    fail(ErrorKind::unsupported, source.where(), ": the zip entry ", in_quotes(entry.name), " is packed by method ", method, ", expected 0 or 8");
  entry.deflated = method != 0;
  if (!entry.deflated && entry.stored_bytes != entry.bytes) damaged(source, "the entry " + in_quotes(entry.name) + " has two sizes");
  return entry;
}

/// Sets where the entry's bytes begin; returns where they end.
std::uint64_t place(const ByteSource& source, ZipEntry& entry, std::uint64_t header, std::uint64_t end_of_entries) {
  const auto wrong = [&](const char* why) { damaged(source, concat("the entry ", in_quotes(entry.name), " ", why)); };
  if (header > end_of_entries || end_of_entries - header < kLocalBytes) wrong("lies outside of the archive");
  const std::string bytes = source.read(header, kLocalBytes);
  ByteReader r(bytes, source.where());
  if (r.take<std::uint32_t>() != kLocalSignature) wrong("does not begin where the directory says");
  r.take_bytes(2);  // version
  const auto flags = r.take<std::uint16_t>(), method = r.take<std::uint16_t>();
  r.take_bytes(4);  // time
  const auto crc = r.take<std::uint32_t>();
  std::uint64_t stored_bytes = r.take<std::uint32_t>(), unpacked = r.take<std::uint32_t>();
  const auto name_bytes = r.take<std::uint16_t>(), extra_bytes = r.take<std::uint16_t>();
  const std::uint64_t names = header + kLocalBytes;
  if (end_of_entries - names < std::uint64_t{name_bytes} + extra_bytes) wrong("lies outside of the archive");
  const std::string text = source.read(names, std::size_t{name_bytes} + extra_bytes);
  if (std::string_view(text).substr(0, name_bytes) != entry.name || method != (entry.deflated ? Z_DEFLATED : 0) || (flags & kEncrypted) != 0)
    wrong("is another one in its own header");
  read_extra(source, std::string_view(text).substr(name_bytes), {&unpacked, &stored_bytes});
  const bool later = (flags & kSizesFollow) != 0 && stored_bytes == 0 && unpacked == 0;  // written as a stream: the sizes stand after the bytes
  if (!later && (stored_bytes != entry.stored_bytes || unpacked != entry.bytes || crc != entry.crc)) wrong("has other sizes in its own header");
  entry.begin = names + name_bytes + extra_bytes;
  if (entry.stored_bytes > end_of_entries - entry.begin) wrong("ends outside of the archive");
  return entry.begin + entry.stored_bytes;
}

std::string inflate_all(const ByteSource& source, const ZipEntry& entry, const std::string& packed) {
  std::string out(static_cast<std::size_t>(entry.bytes), '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail(ErrorKind::out_of_memory, source.where(), ": no memory to unpack ", in_quotes(entry.name));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!whole) damaged(source, "the entry " + in_quotes(entry.name) + " does not unpack to the size that the directory gives");
  return out;
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
  const Directory directory = find_directory(source);
  const std::string bytes = source.read(directory.begin, static_cast<std::size_t>(directory.bytes));
  ByteReader reader(bytes, source.where() + ": zip directory");
  std::vector<ZipEntry> entries;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // header to end
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    std::uint64_t header = 0;
    entries.push_back(read_entry(source, reader, header));
    ranges.emplace_back(header, place(source, entries.back(), header, directory.begin));
  }
  if (reader.left() != 0) damaged(source, "its directory holds more than its entries");
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) damaged(source, "two of its entries overlap");
  std::sort(entries.begin(), entries.end(), [](const ZipEntry& a, const ZipEntry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries.begin(), entries.end(), [](const ZipEntry& a, const ZipEntry& b) { return a.name == b.name; });
  if (twice != entries.end()) damaged(source, "the entry " + in_quotes(twice->name) + " stands twice in it");
  return entries;
}

std::string read_zip_entry(const ByteSource& source, const ZipEntry& entry, std::size_t max_bytes) {
  static_assert(std::numeric_limits<uInt>::max() >= 0xFFFFFFFF);
  IMPASTO_CHECK(max_bytes < 0xFFFFFFFF);
  if (entry.bytes > max_bytes || entry.stored_bytes > max_bytes)
    fail(ErrorKind::bad_file, source.where(), ": the zip entry ", in_quotes(entry.name), " takes ", std::max(entry.bytes, entry.stored_bytes),
         " bytes, expected at most ", max_bytes);
  std::string bytes = source.read(entry.begin, static_cast<std::size_t>(entry.stored_bytes));
  if (entry.deflated) bytes = inflate_all(source, entry, bytes);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  const auto crc = entry.crc;
#else
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
#endif
  if (crc != entry.crc) damaged(source, "the entry " + in_quotes(entry.name) + " has another checksum than the directory gives");
  return bytes;
}

}  // namespace impasto
