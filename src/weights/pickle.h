// Pickles as data: a reader that builds values and runs nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impasto {

/// A value's number in its pickle; containers hold these, so that values may be shared and even hold themselves.
using PickleId = std::uint32_t;

enum class PickleKind : std::uint8_t {
  none,
  boolean,
  integer,
  big_integer,  ///< beyond 64 bits: its bytes, little-endian
  real,
  text,
  bytes,
  tuple,
  list,
  dict,     ///< `items`: key, value, key, value, ...
  global,   ///< a name of the allowlist, `integer` its place there
  storage,  ///< elements in the container: `text` its key, `integer` their number, `type` what they are
  tensor,   ///< `items`: storage; `tensor` the place in it
  inert,    ///< something that published files carry beside their tensors, and that nobody here looks at
};

struct PickleTensor {
  static constexpr int kMaxRank = 8;
  int rank = 0;
  std::int64_t offset = 0;  ///< in elements, as are the strides
  std::array<std::int64_t, kMaxRank> dims{}, strides{};
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  int type = 0;
  std::int64_t integer = 0;  ///< or a real's bits
  std::string_view text;     ///< lies in the bytes that were read
  std::vector<PickleId> items;
  std::shared_ptr<const PickleTensor> tensor;
};

/// What the pickle's names mean. Each function gives the value or throws.
class PickleMeaning {
 public:
  virtual ~PickleMeaning() = default;
  /// A name that the pickle refers to: whatever may be called or stood for must come from here.
  virtual PickleValue global(std::string_view module, std::string_view name) const = 0;
  /// A call of a global. `values` holds all that was read so far.
  virtual PickleValue call(const PickleValue& global, const PickleValue& arguments, const std::vector<PickleValue>& values) const = 0;
  /// What a persistent id stands for.
  virtual PickleValue persistent(const PickleValue& id, const std::vector<PickleValue>& values) const = 0;
};

struct Pickle {
  std::vector<PickleValue> values;
  PickleId root = 0;
  std::size_t bytes = 0;  ///< that it took

  const PickleValue& top() const { return values[root]; }
};

/// The value that a dict has for a text; null when there is none. Of several the last counts, as in Python.
const PickleValue* find_item(const Pickle& pickle, const PickleValue& dict, std::string_view key);

inline constexpr std::size_t kMostPickleValues = 500'000;   ///< also of the stack and of the memo; a checkpoint has 15 a tensor
inline constexpr std::size_t kMostPickleItems = 4'000'000;  ///< of all containers together

/// Reads one pickle of protocols 2 to 5 from the front of `bytes`, which must outlive the result. Only what writers of checkpoints use is known;
/// every other opcode, misuse of a known one, and more values than the limits above are refused, so that memory stays below about 110 MB whatever the
/// bytes are. Nothing recurses. Throws bad_file naming the opcode's place, and as `meaning`.
Pickle read_pickle(std::string_view bytes, const PickleMeaning& meaning, const std::string& where);

}  // namespace impasto
