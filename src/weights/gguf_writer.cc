#include <algorithm>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "weights/block_format.h"
#include "weights/writer.h"

namespace impasto {
namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::size_t kBlock = 32;
constexpr std::uint32_t kText = 8, kUint32 = 4;  // types of values
constexpr std::uint32_t kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ8_0 = 8, kBF16 = 30;

std::uint32_t plain_type(DType type) { return type == DType::float32 ? kF32 : type == DType::float16 ? kF16 : kBF16; }

/// A tensor with what is settled about it.
struct Planned {
  const TensorToWrite* tensor;
  Packing packing = Packing::none;
  std::uint64_t bytes = 0, offset = 0;

  std::uint32_t type() const { return packing == Packing::q8_0 ? kQ8_0 : packing == Packing::q4_0 ? kQ4_0 : plain_type(tensor->dtype); }
};

std::uint64_t padded(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::uint64_t block_bytes(Packing packing) { return packing == Packing::q8_0 ? 34 : 18; }

std::vector<Planned> plan(const std::vector<TensorToWrite>& tensors, Packing packing, const std::function<bool(const std::string&)>& pack) {
  std::vector<Planned> all;
  std::uint64_t offset = 0;
  for (const TensorToWrite& t : tensors) {
    const bool packs = packing != Packing::none && t.shape.rank() == 2 && t.shape.back() % static_cast<std::int64_t>(kBlock) == 0 && pack(t.name);
    Planned p{&t, packs ? packing : Packing::none};
    p.bytes = packs ? static_cast<std::uint64_t>(t.shape.count()) / kBlock * block_bytes(packing) : t.bytes();
    p.offset = offset;
    offset += padded(p.bytes);
    all.push_back(p);
  }
  return all;
}

class Bytes {
 public:
  template <typename T>
  void add(T value) {
    const auto* begin = reinterpret_cast<const char*>(&value);
    text_.append(begin, sizeof value);
  }
  void add_text(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    text_ += text;
  }
  std::string take_padded() {
    text_.resize(static_cast<std::size_t>(padded(text_.size())), '\0');
    return std::move(text_);
  }

 private:
  std::string text_;
};

std::string header_of(const std::vector<Planned>& tensors, const std::string& architecture, const std::map<std::string, std::string>& texts) {
  Bytes h;
  h.add(std::uint32_t{0x46554747});  // "GGUF"
  h.add(std::uint32_t{3});
  h.add(static_cast<std::uint64_t>(tensors.size()));
  h.add(static_cast<std::uint64_t>(texts.size() + 2));
  const auto add_text_pair = [&](const std::string& key, const std::string& text) {
    h.add_text(key);
    h.add(kText);
    h.add_text(text);
  };
  add_text_pair("general.architecture", architecture);
  h.add_text("general.alignment");
  h.add(kUint32);
  h.add(static_cast<std::uint32_t>(kAlignment));
  for (const auto& [key, text] : texts) add_text_pair(key, text);
  for (const Planned& p : tensors) {
    h.add_text(p.tensor->name);
    const Shape& shape = p.tensor->shape;
    const int rank = std::max(1, shape.rank());
    h.add(static_cast<std::uint32_t>(rank));
    for (int i = rank - 1; i >= 0; --i) h.add(static_cast<std::uint64_t>(shape.rank() == 0 ? 1 : shape[i]));  // the innermost first
    h.add(p.type());
    h.add(p.offset);
  }
  return h.take_padded();
}

void write_packed(const Planned& p, const WriteBytes& write) {
  std::vector<std::uint8_t> blocks;
  for_each_float(*p.tensor, [&](std::span<const float> elements) {
    blocks.resize(elements.size() / kBlock * static_cast<std::size_t>(block_bytes(p.packing)));
    p.packing == Packing::q8_0 ? encode_q8_0(elements, blocks.data()) : encode_q4_0(elements, blocks.data());
    write(blocks);
  });
}

}  // namespace

void write_gguf(const std::string& path, std::vector<TensorToWrite> tensors, const std::string& architecture,
                const std::map<std::string, std::string>& texts, Packing packing, const std::function<bool(const std::string& name)>& pack,
                const WriteProgress& progress) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) { return a.name < b.name; });
  const std::vector<Planned> planned = plan(tensors, packing, pack);
  const std::string header = header_of(planned, architecture, texts);
  std::uint64_t bytes = header.size();
  for (const Planned& p : planned) bytes += padded(p.bytes);
  write_file_atomically(path, bytes, [&](const WriteBytes& write) {
    std::uint64_t done = 0;
    const WriteBytes counted = [&](std::span<const std::uint8_t> piece) {
      write(piece);
      done += piece.size();
      if (progress) progress(done);
    };
    counted({reinterpret_cast<const std::uint8_t*>(header.data()), header.size()});
    for (const Planned& p : planned) {
      p.packing == Packing::none ? for_each_piece(*p.tensor, counted) : write_packed(p, counted);
      const std::vector<std::uint8_t> padding(static_cast<std::size_t>(padded(p.bytes) - p.bytes));
      if (!padding.empty()) counted(padding);
    }
  });
}

}  // namespace impasto
