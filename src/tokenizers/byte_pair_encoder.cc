#include "tokenizers/byte_pair_encoder.h"

#include <algorithm>

#include "core/fail.h"
#include "core/file.h"
#include "core/json.h"
#include "core/quote.h"
#include "tokenizers/unicode.h"

namespace impasto {
namespace {

constexpr std::size_t kMaxFileBytes = 64u << 20;
constexpr std::string_view kWordEnd = "</w>";

// A byte that is a visible character in Latin-1 spells itself; the other 68 take the characters from U+0100 on, in order.
constexpr bool spells_itself(int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD); }

constexpr std::array<char32_t, 256> kAlphabet = [] {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) alphabet[static_cast<std::size_t>(byte)] = spells_itself(byte) ? static_cast<char32_t>(byte) : next++;
  return alphabet;
}();

// The byte that a character of the alphabet stands for, or -1.
constexpr std::array<int, 0x144> kBytes = [] {
  std::array<int, 0x144> bytes{};
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte) bytes[kAlphabet[static_cast<std::size_t>(byte)]] = byte;
  return bytes;
}();

}  // namespace

// A word being merged: its symbols as a linked list, and the merges that are possible as a heap, some of them outdated.
class BytePairEncoder::Word {
 public:
  Word(const BytePairEncoder& encoder, std::string_view bytes, std::int32_t unknown) : encoder_(encoder) {
    symbols_.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const bool last = i + 1 == bytes.size();
      const std::int32_t id = encoder.byte_ids_[static_cast<unsigned char>(bytes[i])][last ? 1 : 0];
      const auto at = static_cast<std::int32_t>(i);
      symbols_.push_back({id >= 0 ? id : unknown, at - 1, last ? -1 : at + 1});
    }
    candidates_.reserve(bytes.size());
    for (std::int32_t i = 0; i + 1 < static_cast<std::int32_t>(symbols_.size()); ++i) offer(i);
  }

  void merge_all() {
    while (!candidates_.empty()) {
      std::pop_heap(candidates_.begin(), candidates_.end());
      const Candidate best = candidates_.back();
      candidates_.pop_back();
      apply(best);
    }
  }

  void append_to(std::vector<std::int32_t>& ids) const {
    for (std::int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[static_cast<std::size_t>(i)].next)
      ids.push_back(symbols_[static_cast<std::size_t>(i)].id);
  }

 private:
  struct Symbol {
    std::int32_t id;  // -1: merged into its left neighbour
    std::int32_t previous, next;
  };
  struct Candidate {
    std::int32_t rank, left, id;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };

  Symbol& symbol(std::int32_t i) { return symbols_[static_cast<std::size_t>(i)]; }

  void offer(std::int32_t left) {
    if (left < 0 || symbol(left).next < 0) return;
    const Merge* m = encoder_.merge(symbol(left).id, symbol(symbol(left).next).id);
    if (m == nullptr) return;
    candidates_.push_back({m->rank, left, m->id});
    std::push_heap(candidates_.begin(), candidates_.end());
  }

  void apply(const Candidate& candidate) {
    Symbol& left = symbol(candidate.left);
    if (left.id < 0 || left.next < 0) return;
    Symbol& right = symbol(left.next);
    const Merge* m = encoder_.merge(left.id, right.id);
    if (m == nullptr || m->id != candidate.id) return;  // one of the two was merged elsewhere since
    left.id = candidate.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = candidate.left;
    offer(left.previous);
    offer(candidate.left);
  }

  const BytePairEncoder& encoder_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> candidates_;  // a heap, the best first
};

BytePairEncoder BytePairEncoder::load(const std::string& vocabulary_path, const std::string& merges_path) {
  const std::string vocabulary = read_file(vocabulary_path, kMaxFileBytes), merges = read_file(merges_path, kMaxFileBytes);
  return parse(vocabulary, merges, vocabulary_path, merges_path);
}

BytePairEncoder BytePairEncoder::parse(std::string_view vocabulary, std::string_view merges, const std::string& vocabulary_path,
                                       const std::string& merges_path) {
  BytePairEncoder encoder;
  encoder.read_vocabulary(vocabulary, vocabulary_path);
  encoder.read_merges(merges, merges_path);
  return encoder;
}

std::int32_t BytePairEncoder::id(const std::string& name) const {
  const auto place = ids_.find(name);
  return place != ids_.end() ? place->second : -1;
}

void BytePairEncoder::read_vocabulary(std::string_view text, const std::string& path) {
  const JsonObject vocabulary(parse_json(text, path), path);
  const auto size = vocabulary.value().size();
  names_.resize(size);
  ids_.reserve(size);
  std::vector<bool> taken(size);
  for (const auto& [name, value] : vocabulary.value().items()) {
    const bool in_range = value.is_number_unsigned() && value.get<std::uint64_t>() < size;
    if (!in_range) fail(ErrorKind::bad_file, path, ": token ", in_quotes(name), " has id ", printable(value.dump()), ", expected 0 to ", size - 1);
    const auto id = value.get<std::size_t>();
    if (taken[id]) fail(ErrorKind::bad_file, path, ": tokens ", in_quotes(names_[id]), " and ", in_quotes(name), " both have id ", id);
    taken[id] = true;
    names_[id] = name;
    ids_.emplace(name, static_cast<std::int32_t>(id));
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string name;
    append_utf8(kAlphabet[byte], name);
    byte_ids_[byte] = {id(name), id(name.append(kWordEnd))};
  }
}

void BytePairEncoder::read_merges(std::string_view text, const std::string& path) {
  std::int32_t rank = 0;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("#version")) read_merge(line, rank++, path, number);
  }
}

void BytePairEncoder::read_merge(std::string_view line, std::int32_t rank, const std::string& path, std::size_t number) {
  const auto space = line.find(' ');
  if (space == line.npos || line.find(' ', space + 1) != line.npos)
    fail(ErrorKind::bad_file, path, ": line ", number, ": expected two tokens with a space between them");  // not quoted: it may be of any file
  const auto known = [&](const std::string& name) {
    const std::int32_t found = id(name);
    if (found < 0) fail(ErrorKind::bad_file, path, ": line ", number, ": token ", in_quotes(name), " is not in the vocabulary");
    return found;
  };
  std::string name(line.substr(0, space));
  const auto left = static_cast<std::uint64_t>(known(name));
  const auto right = static_cast<std::uint64_t>(known(std::string(line.substr(space + 1))));
  merges_.insert_or_assign(left << 32 | right, Merge{rank, known(name.append(line.substr(space + 1)))});
}

const BytePairEncoder::Merge* BytePairEncoder::merge(std::int32_t left, std::int32_t right) const {
  const auto place = merges_.find(static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right));
  return place != merges_.end() ? &place->second : nullptr;
}

void BytePairEncoder::encode(std::string_view word, std::int32_t unknown, std::vector<std::int32_t>& ids) const {
  Word symbols(*this, word, unknown);
  symbols.merge_all();
  symbols.append_to(ids);
}

std::string BytePairEncoder::decode(std::string_view name) {
  std::string bytes;
  for (const char32_t c : from_utf8(name, "a token's name")) {
    if (c >= kBytes.size() || kBytes[c] < 0) return std::string(name);
    bytes += static_cast<char>(kBytes[c]);
  }
  return bytes;
}

}  // namespace impasto
