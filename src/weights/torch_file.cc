// What torch.save writes: a zip archive with the pickle and a file for each storage, or (before PyTorch 1.6) pickles and storages in a row.
#include "weights/torch_file.h"

#include <algorithm>

#include "core/quote.h"
#include "weights/zip.h"

namespace impasto {
namespace {

constexpr std::size_t kMostPickleBytes = 64u << 20;
constexpr std::size_t kFirstWindow = 1u << 20;
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);  // 0x1950a86a20f9469cfc6c
constexpr const char* kTypes = "float32, float16, bfloat16, float64, int64, int32 or uint8";

/// Where a storage's bytes lie.
struct StoragePlace {
  std::uint64_t begin = 0, bytes = 0;
};

std::uint64_t bytes_of(const TorchTensor& t, const std::string& where) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(t.storage_elements), static_cast<std::uint64_t>(t.type->bytes), &bytes))
    fail(ErrorKind::bad_file, where, ": the storage of tensor ", in_quotes(t.name), " has ", t.storage_elements,
         " elements, more than a file can hold");
  return bytes;
}

bool is_dense(const PickleTensor& t) {
  std::int64_t expected = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    const auto k = static_cast<std::size_t>(i);
    if (t.dims[k] != 1 && t.strides[k] != expected) return false;
    expected *= t.dims[k];
  }
  return true;
}

FileTensor place(const TorchTensor& t, const StoragePlace& storage) {
  const auto size = static_cast<std::uint64_t>(t.type->bytes);
  FileTensor out{t.name, t.type->name, t.type->dtype, t.place.rank, {}, storage.begin + static_cast<std::uint64_t>(t.place.offset) * size, 0};
  const auto rank = static_cast<std::ptrdiff_t>(std::min(t.place.rank, Shape::kMaxRank));
  out.shape = Shape(std::vector<std::int64_t>(t.place.dims.begin(), t.place.dims.begin() + rank));
  std::int64_t count = 1, reach = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(t.place.rank); ++i) {
    count *= t.place.dims[i];
    reach += (t.place.dims[i] - 1) * t.place.strides[i];
  }
  if (count > 0 && !is_dense(t.place)) out.strides.assign(t.place.strides.begin(), t.place.strides.begin() + rank);
  out.end = out.begin + static_cast<std::uint64_t>(count == 0 ? 0 : reach) * size;
  return out;
}

/// The tensors with their bytes; `find` says where a storage's are.
template <typename Find>
FileContent content_of(const Pickle& pickle, const std::string& format, const std::string& where, const Find& find) {
  TorchContent torch = read_torch_content(pickle, where);
  FileContent content{format, kTypes, {}, std::move(torch.metadata)};
  for (const TorchTensor& t : torch.tensors) {
    const StoragePlace storage = find(t);
    if (const std::uint64_t bytes = bytes_of(t, where); bytes != storage.bytes)
      fail(ErrorKind::bad_file, where, ": the storage ", in_quotes(t.storage), " of tensor ", in_quotes(t.name), " has ", storage.bytes,
           " bytes, but ", t.storage_elements, " elements of ", t.type->name, " take ", bytes);
    content.tensors.push_back(place(t, storage));
  }
  return content;
}

const ZipEntry* find_entry(const std::vector<ZipEntry>& entries, const std::string& name) {
  const auto entry = std::lower_bound(entries.begin(), entries.end(), name, [](const ZipEntry& e, const std::string& n) { return e.name < n; });
  return entry != entries.end() && entry->name == name ? &*entry : nullptr;
}

/// The archive's one folder, with its slash: that of the one data.pkl.
std::string folder_in(const std::vector<ZipEntry>& entries, const std::string& where) {
  std::string folder;
  for (const ZipEntry& entry : entries) {
    const std::size_t slash = entry.name.find('/');
    if (slash == entry.name.npos || entry.name.substr(slash) != "/data.pkl") continue;
    if (!folder.empty()) fail(ErrorKind::bad_file, where, ": holds two pickles, ", in_quotes(folder + "data.pkl"), " and ", in_quotes(entry.name));
    folder = entry.name.substr(0, slash + 1);
  }
  if (folder.empty()) fail(ErrorKind::bad_file, where, ": is a zip archive, but none that PyTorch wrote: it holds no data.pkl in a folder");
  return folder;
}

void check_byte_order(const ByteSource& source, const ZipEntry* entry) {
  if (entry == nullptr) return;
  if (const std::string order = read_zip_entry(source, *entry, 16); order != "little")
    fail(ErrorKind::unsupported, source.where(), ": holds numbers of byte order ", in_quotes(order), "; only little is supported");
}

/// The pickles of the legacy container, in their order.
class LegacyPickles {
 public:
  LegacyPickles(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where), meaning_(where) {}

  Pickle next() {
    Pickle pickle = read_pickle(bytes_.substr(position_), meaning_, where_);
    position_ += pickle.bytes;
    return pickle;
  }
  std::uint64_t position() const { return position_; }

 private:
  std::string_view bytes_;
  const std::string& where_;
  TorchMeaning meaning_;
  std::size_t position_ = 0;
};

void check_machine(const Pickle& machine, const std::string& where) {
  const PickleValue* little = machine.top().kind == PickleKind::dict ? find_item(machine, machine.top(), "little_endian") : nullptr;
  if (little == nullptr || little->kind != PickleKind::boolean) fail(ErrorKind::bad_file, where, ": does not say what machine wrote it");
  if (little->integer == 0) fail(ErrorKind::unsupported, where, ": holds numbers of a big-endian machine; only little-endian ones are supported");
}

/// Types by key, of all storages that the pickle stands for.
std::map<std::string_view, const TorchType*> storage_types(const Pickle& pickle, const std::string& where) {
  std::map<std::string_view, const TorchType*> types;
  for (const PickleValue& value : pickle.values) {
    if (value.kind != PickleKind::storage) continue;
    const auto [place, is_new] = types.emplace(value.text, &storage_type(value));
    if (place->second != &storage_type(value)) fail(ErrorKind::bad_file, where, ": the storage ", in_quotes(value.text), " has two types");
  }
  return types;
}

/// Each storage: the number of its elements, then their bytes.
std::map<std::string_view, StoragePlace> find_storages(const ByteSource& source, std::uint64_t position, const Pickle& keys,
                                                       const std::map<std::string_view, const TorchType*>& types) {
  const std::string& where = source.where();
  if (keys.top().kind != PickleKind::list) fail(ErrorKind::bad_file, where, ": has no list of its storages");
  std::map<std::string_view, StoragePlace> places;
  for (const PickleId id : keys.top().items) {
    const std::string_view key = keys.values[id].text;
    const auto type = types.find(key);
    if (keys.values[id].kind != PickleKind::text || type == types.end())
      fail(ErrorKind::bad_file, where, ": lists a storage ", in_quotes(key), " that no tensor has");
    std::uint64_t elements = 0, bytes = 0;
    if (source.size() - position < sizeof elements) fail(ErrorKind::bad_file, where, ": ends before the storage ", in_quotes(key), ": truncated?");
    source.read(&elements, sizeof elements, position);
    position += sizeof elements;
    if (__builtin_mul_overflow(elements, static_cast<std::uint64_t>(type->second->bytes), &bytes) || bytes > source.size() - position)
      fail(ErrorKind::bad_file, where, ": its storage ", in_quotes(key), " of ", elements,
           " elements reaches beyond the end of the file: truncated?");
    if (!places.emplace(key, StoragePlace{position, bytes}).second)
      fail(ErrorKind::bad_file, where, ": lists the storage ", in_quotes(key), " twice");
    position += bytes;
  }
  if (position != source.size()) fail(ErrorKind::bad_file, where, ": ", source.size() - position, " bytes follow the last storage, expected none");
  return places;
}

FileContent read_legacy(const ByteSource& source, std::string_view beginning) {
  const std::string& where = source.where();
  LegacyPickles pickles(beginning, where);
  const Pickle magic = pickles.next();
  if (magic.top().kind != PickleKind::big_integer || magic.top().text != kLegacyMagic)
    fail(ErrorKind::bad_file, where, ": begins with a pickle that is not PyTorch's; only pickles that torch.save wrote are read");
  const Pickle version = pickles.next();
  if (version.top().kind != PickleKind::integer || version.top().integer != 1001)
    fail(ErrorKind::unsupported, where, ": is of a version of PyTorch's format that is not supported, expected 1001");
  check_machine(pickles.next(), where);
  const Pickle object = pickles.next();
  const Pickle keys = pickles.next();
  const auto places = find_storages(source, pickles.position(), keys, storage_types(object, where));
  return content_of(object, "PyTorch pickle (legacy)", where, [&](const TorchTensor& t) {
    const auto entry = places.find(t.storage);
    if (entry == places.end())
      fail(ErrorKind::bad_file, where, ": the storage ", in_quotes(t.storage), " of tensor ", in_quotes(t.name), " is missing");
    return entry->second;
  });
}

}  // namespace

FileContent read_torch_zip(const ByteSource& source) {
  const std::vector<ZipEntry> entries = read_zip_directory(source);
  const std::string folder = folder_in(entries, source.where());
  check_byte_order(source, find_entry(entries, folder + "byteorder"));
  const std::string bytes = read_zip_entry(source, *find_entry(entries, folder + "data.pkl"), kMostPickleBytes);
  const TorchMeaning meaning(source.where());
  const Pickle pickle = read_pickle(bytes, meaning, source.where());
  if (pickle.bytes != bytes.size()) fail(ErrorKind::bad_file, source.where(), ": its pickle ends before data.pkl does");
  return content_of(pickle, "PyTorch pickle (zip)", source.where(), [&](const TorchTensor& t) -> StoragePlace {
    const ZipEntry* entry = find_entry(entries, folder + "data/" + t.storage);
    if (entry == nullptr)
      fail(ErrorKind::bad_file, source.where(), ": the storage ", in_quotes(t.storage), " of tensor ", in_quotes(t.name), " is missing");
    if (entry->deflated)
      fail(ErrorKind::unsupported, source.where(), ": the storage of tensor ", in_quotes(t.name), " is compressed, which PyTorch does not do");
    return {entry->begin, entry->bytes};
  });
}

/// How long the pickles are is known only when they have been read: they are tried in longer and longer beginnings of the file.
FileContent read_torch_legacy(const ByteSource& source) {
  for (std::size_t window = kFirstWindow;; window *= 4) {
    const bool last = window >= source.size() || window >= kMostPickleBytes;
    const std::string beginning =
        source.read(0, static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), std::min(window, kMostPickleBytes))));
    try {
      return read_legacy(source, beginning);
    } catch (const Error& error) {
      if (last || error.kind() != ErrorKind::bad_file) throw;
    }
  }
}

std::shared_ptr<const WeightReader> open_torch(const std::string& path) {
  auto file = std::make_unique<const File>(path);
  const FileBytes source(*file);
  char first = 0;
  source.read(&first, 1, 0);
  FileContent content = first == 'P' ? read_torch_zip(source) : read_torch_legacy(source);
  return file_weights(std::move(file), std::move(content));
}

}  // namespace impasto
