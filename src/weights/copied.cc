// Weights in memory of our own: a file that is cut or rewritten afterwards can neither stop the process nor change a picture.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <system_error>

#include <sys/mman.h>

#include "core/cancellation.h"
#include "core/fail.h"
#include "core/threads.h"
#include "weights/reader.h"

namespace impasto {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kBatchBytes = std::size_t{128} << 20;  // between two looks at the caller's wish to stop: a tenth of a second from a fast disk
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;    // that a thread takes at a time: a batch is work for 32 of them

/// Zeroed memory, in huge pages where the system has them: fewer faults while it is filled, fewer misses while it is used.
class Memory {
 public:
  Memory(std::size_t bytes, const std::string& what) : bytes_(bytes) {
    if (bytes == 0) return;
    address_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address_ == MAP_FAILED)
      fail(ErrorKind::out_of_memory, what, ": cannot get ", bytes_, " bytes of memory: ", std::generic_category().message(errno));
#if defined(MADV_HUGEPAGE)
    ::madvise(address_, bytes_, MADV_HUGEPAGE);
#endif
  }
  ~Memory() {
    if (address_ != MAP_FAILED) ::munmap(address_, bytes_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* at(std::size_t offset) const { return static_cast<std::byte*>(address_) + offset; }

 private:
  std::size_t bytes_;
  void* address_ = MAP_FAILED;
};

struct Place {
  std::string name;
  TensorInfo info;
  std::size_t offset = 0;
};

/// Some of a tensor's bytes.
struct Piece {
  const Place* place;
  std::size_t begin, bytes;
};

class CopiedWeights final : public WeightReader {
 public:
  explicit CopiedWeights(const WeightReader& source) : where_(source.where()), format_(source.format()), metadata_(source.metadata()) {
    std::size_t bytes = 0;
    const std::vector<Place> places = lay_out(source, bytes);
    memory_.emplace(bytes + kAlignment, where_);  // a tensor without elements has an address all the same
    const std::vector<Piece> pieces = cut(source, places);
    for (std::size_t first = 0; first < pieces.size();) {
      stop_if_asked();
      const std::size_t end = end_of_batch(pieces, first);
      parallel_for(static_cast<std::int64_t>(end - first), 1, [&](std::int64_t begin, std::int64_t past) {
        for (std::int64_t i = begin; i < past; ++i) copy(source, pieces[first + static_cast<std::size_t>(i)]);
      });
      first = end;
    }
    for (const Place& p : places) tensors_.emplace(p.name, TensorView(memory_->at(p.offset), p.info.dtype, p.info.shape));
  }

  std::string where() const override { return where_; }
  std::string format() const override { return format_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, view] : tensors_) all.push_back(name);
    return all;
  }

  TensorView find(std::string_view name) const override {
    if (const auto refusal = refused_.find(name); refusal != refused_.end()) throw refusal->second;
    const auto place = tensors_.find(name);
    return place != tensors_.end() ? place->second : TensorView{};
  }

 private:
  /// Where each tensor goes, one after the other; `bytes` is what all of them take. Those of types that nobody here computes with stay out.
  std::vector<Place> lay_out(const WeightReader& source, std::size_t& bytes) {
    std::vector<Place> places;
    for (std::string& name : source.names()) {
      try {
        const TensorInfo info = source.describe(name).value();
        places.push_back({std::move(name), info, bytes});
        bytes += (info.bytes() + kAlignment - 1) / kAlignment * kAlignment;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::unsupported) throw;
        refused_.emplace(std::move(name), error);
      }
    }
    return places;
  }

  static std::vector<Piece> cut(const WeightReader& source, const std::vector<Place>& places) {
    std::vector<Piece> pieces;
    for (const Place& place : places) {
      const std::size_t bytes = place.info.bytes(), step = source.is_contiguous(place.name) ? kPieceBytes : bytes;
      for (std::size_t begin = 0; begin < bytes; begin += step) pieces.push_back({&place, begin, std::min(step, bytes - begin)});
    }
    return pieces;
  }

  static std::size_t end_of_batch(const std::vector<Piece>& pieces, std::size_t first) {
    std::size_t end = first;
    for (std::size_t bytes = 0; end < pieces.size() && bytes < kBatchBytes; ++end) bytes += pieces[end].bytes;
    return end;
  }

  void copy(const WeightReader& source, const Piece& piece) const {
    source.read_range(piece.place->name, piece.begin, piece.bytes, memory_->at(piece.place->offset + piece.begin));
  }

  std::string where_, format_;
  std::map<std::string, std::string> metadata_;
  std::optional<Memory> memory_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, Error, std::less<>> refused_;  // what to say when it is asked for
};

}  // namespace

std::shared_ptr<const WeightReader> copied_weights(const WeightReader& source) { return std::make_shared<CopiedWeights>(source); }

}  // namespace impasto
