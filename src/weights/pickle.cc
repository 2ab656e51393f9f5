// Python's Lib/pickletools.py describes the opcodes.
#include "weights/pickle.h"

#include <unordered_map>

#include "core/quote.h"
#include "weights/byte_source.h"

namespace impasto {
namespace {

constexpr std::size_t kLongestName = 1000;

/// Those that are known; Python's names.
// clang-format off
enum Op : unsigned char {
  MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', DUP = '2', BININT = 'J', BININT1 = 'K', BININT2 = 'M', NONE = 'N', BINPERSID = 'Q', REDUCE = 'R',
  BINSTRING = 'T', SHORT_BINSTRING = 'U', BINUNICODE = 'X', APPEND = 'a', BUILD = 'b', GLOBAL = 'c', DICT = 'd', EMPTY_DICT = '}', APPENDS = 'e',
  BINGET = 'h', LONG_BINGET = 'j', LIST = 'l', EMPTY_LIST = ']', BINPUT = 'q', LONG_BINPUT = 'r', SETITEM = 's', TUPLE = 't', EMPTY_TUPLE = ')',
  SETITEMS = 'u', BINFLOAT = 'G', BINBYTES = 'B', SHORT_BINBYTES = 'C', PROTO = 0x80, TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88,
  NEWFALSE = 0x89, LONG1 = 0x8a, SHORT_BINUNICODE = 0x8c, STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95,
};
// clang-format on

PickleValue of_kind(PickleKind kind) {
  PickleValue value;
  value.kind = kind;
  return value;
}

PickleValue of_integer(std::int64_t integer, PickleKind kind = PickleKind::integer) {
  PickleValue value = of_kind(kind);
  value.integer = integer;
  return value;
}

PickleValue of_text(std::string_view text, PickleKind kind = PickleKind::text) {
  PickleValue value = of_kind(kind);
  value.text = text;
  return value;
}

bool is_hashable(PickleKind kind) { return kind != PickleKind::list && kind != PickleKind::dict; }

class Machine {
 public:
  Machine(std::string_view bytes, const PickleMeaning& meaning, const std::string& where)
      : reader_(bytes, where + ": its pickle"), meaning_(meaning), where_(where) {}

  Pickle run() {
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) refuse("stops with ", stack_.size(), " values on its stack, expected 1");
    return {std::move(values_), stack_.back(), reader_.position()};
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::bad_file, where_, ": its pickle ", parts..., " (opcode at byte ", at_, ")");
  }

  /// False after STOP.
  bool step() {
    at_ = reader_.position();
    const auto op = reader_.take<unsigned char>();
    if (at_ == 0 && op != PROTO) refuse("has an old protocol, or is no pickle");
    switch (op) {
      case STOP: return false;
      case PROTO: take_protocol(); break;
      case FRAME: reader_.take<std::uint64_t>(); break;  // a hint for reading
      case MARK: mark(); break;
      case POP: pop_or_unmark(); break;
      case POP_MARK: pop_marked(); break;
      case DUP: push(top()); break;
      case NONE: push(of_kind(PickleKind::none)); break;
      case NEWTRUE: push(of_integer(1, PickleKind::boolean)); break;
      case NEWFALSE: push(of_integer(0, PickleKind::boolean)); break;
      case BININT: push(of_integer(reader_.take<std::int32_t>())); break;
      case BININT1: push(of_integer(reader_.take<std::uint8_t>())); break;
      case BININT2: push(of_integer(reader_.take<std::uint16_t>())); break;
      case LONG1: push_long(reader_.take_bytes(reader_.take<std::uint8_t>())); break;
      case BINFLOAT: push_float(); break;
      case BINUNICODE: push(of_text(reader_.take_bytes(reader_.take<std::uint32_t>()))); break;
      case SHORT_BINUNICODE:
      case SHORT_BINSTRING: push(of_text(reader_.take_bytes(reader_.take<std::uint8_t>()))); break;
      case BINSTRING: push(of_text(reader_.take_bytes(take_length()))); break;
      case BINBYTES: push(of_text(reader_.take_bytes(reader_.take<std::uint32_t>()), PickleKind::bytes)); break;
      case SHORT_BINBYTES: push(of_text(reader_.take_bytes(reader_.take<std::uint8_t>()), PickleKind::bytes)); break;
      case EMPTY_TUPLE: push(of_kind(PickleKind::tuple)); break;
      case EMPTY_LIST: push(of_kind(PickleKind::list)); break;
      case EMPTY_DICT: push(of_kind(PickleKind::dict)); break;
      case TUPLE1: push_tuple(1); break;
      case TUPLE2: push_tuple(2); break;
      case TUPLE3: push_tuple(3); break;
      case TUPLE: push_with(PickleKind::tuple, pop_marked()); break;
      case LIST: push_with(PickleKind::list, pop_marked()); break;
      case DICT: push_dict(); break;
      case APPEND: append(pop_values(1)); break;
      case APPENDS: append(pop_marked()); break;
      case SETITEM: set_items(pop_values(2)); break;
      case SETITEMS: set_items(pop_marked()); break;
      case BINPUT: memoize(reader_.take<std::uint8_t>()); break;
      case LONG_BINPUT: memoize(reader_.take<std::uint32_t>()); break;
      case MEMOIZE: memoize(memo_.size()); break;
      case BINGET: push(recall(reader_.take<std::uint8_t>())); break;
      case LONG_BINGET: push(recall(reader_.take<std::uint32_t>())); break;
      case GLOBAL: push_global(); break;
      case STACK_GLOBAL: push_stack_global(); break;
      case BINPERSID: push(meaning_.persistent(values_[pop()], values_)); break;
      case REDUCE: reduce(); break;
      case BUILD: build(); break;
      default: refuse("uses opcode ", int{op}, ", which PyTorch's checkpoints do not");
    }
    return true;
  }

  void take_protocol() {
    const int protocol = reader_.take<std::uint8_t>();
    if (at_ != 0 || protocol < 2 || protocol > 5) refuse("has protocol ", protocol, " at an odd place, or one that is not supported (2 to 5)");
  }

  void push(PickleId id) {
    if (stack_.size() >= kMostPickleValues) refuse("holds more than ", kMostPickleValues, " values on its stack");
    stack_.push_back(id);
  }

  void push(PickleValue value) {
    if (values_.size() >= kMostPickleValues) refuse("holds more than ", kMostPickleValues, " values");
    values_.push_back(std::move(value));
    push(static_cast<PickleId>(values_.size() - 1));
  }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleId top() const {
    if (stack_.size() <= floor()) refuse("takes a value from an empty stack");
    return stack_.back();
  }

  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }

  std::vector<PickleId> pop_from(std::size_t begin) {
    std::vector<PickleId> popped(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin);
    return popped;
  }

  std::vector<PickleId> pop_values(std::size_t count) {
    if (stack_.size() - floor() < count) refuse("takes ", count, " values from a stack that holds ", stack_.size() - floor());
    return pop_from(stack_.size() - count);
  }

  std::vector<PickleId> pop_marked() {
    if (marks_.empty()) refuse("goes back to a mark that was not set");
    const std::size_t begin = marks_.back();
    marks_.pop_back();
    return pop_from(begin);
  }

  void mark() {
    if (marks_.size() >= kMostPickleValues) refuse("sets more than ", kMostPickleValues, " marks");
    marks_.push_back(stack_.size());
  }

  void count_items(std::size_t n) {
    if ((items_ += n) > kMostPickleItems) refuse("holds more than ", kMostPickleItems, " items in its containers");
  }

  void pop_or_unmark() {
    if (!marks_.empty() && marks_.back() == stack_.size())
      marks_.pop_back();
    else
      pop();
  }

  std::uint32_t take_length() {
    const auto length = reader_.take<std::int32_t>();
    if (length < 0) refuse("has a text of length ", length);
    return static_cast<std::uint32_t>(length);
  }

  void push_long(std::string_view bytes) {
    if (bytes.size() > 8) return push(of_text(bytes, PickleKind::big_integer));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
    if (negative && bytes.size() < 8) value |= ~std::uint64_t{0} << (8 * bytes.size());
    push(of_integer(static_cast<std::int64_t>(value)));
  }

  void push_float() {  // the one big-endian number
    std::uint64_t bits = 0;
    for (const char c : reader_.take_bytes(8)) bits = bits << 8 | static_cast<unsigned char>(c);
    push(of_integer(static_cast<std::int64_t>(bits), PickleKind::real));
  }

  void push_with(PickleKind kind, std::vector<PickleId> items) {
    count_items(items.size());
    PickleValue value = of_kind(kind);
    value.items = std::move(items);
    push(std::move(value));
  }

  void push_tuple(std::size_t count) { push_with(PickleKind::tuple, pop_values(count)); }

  void push_dict() {
    std::vector<PickleId> items = pop_marked();
    check_items(items);
    push_with(PickleKind::dict, std::move(items));
  }

  void check_items(const std::vector<PickleId>& items) const {
    if (items.size() % 2 != 0) refuse("has a key without a value");
    for (std::size_t i = 0; i < items.size(); i += 2)
      if (!is_hashable(values_[items[i]].kind)) refuse("has a list or a dict for a key");
  }

  void append(const std::vector<PickleId>& items) {
    count_items(items.size());
    PickleValue& list = values_[top()];
    if (list.kind != PickleKind::list) refuse("appends to something that is no list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PickleId>& items) {
    count_items(items.size());
    PickleValue& dict = values_[top()];
    if (dict.kind != PickleKind::dict) refuse("sets an item of something that is no dict");
    check_items(items);
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }

  void memoize(std::size_t key) {
    if (memo_.size() >= kMostPickleValues) refuse("remembers more than ", kMostPickleValues, " values");
    memo_[static_cast<std::uint32_t>(key)] = top();
  }

  PickleId recall(std::uint32_t key) const {
    const auto place = memo_.find(key);
    if (place == memo_.end()) refuse("asks for value ", key, ", which it did not remember");
    return place->second;
  }

  std::string_view take_line() {
    const std::size_t length = reader_.peek().substr(0, kLongestName).find('\n');
    if (length == std::string_view::npos) refuse("has a name that does not end");
    const std::string_view line = reader_.take_bytes(length);
    reader_.take_bytes(1);
    return line;
  }

  void push_global() {
    const std::string_view module = take_line(), name = take_line();
    push(meaning_.global(module, name));
  }

  void push_stack_global() {
    const std::vector<PickleId> names = pop_values(2);
    const PickleValue &module = values_[names[0]], &name = values_[names[1]];
    if (module.kind != PickleKind::text || name.kind != PickleKind::text) refuse("names a global by something that is no text");
    push(meaning_.global(module.text, name.text));
  }

  void reduce() {
    const std::vector<PickleId> call = pop_values(2);
    const PickleValue &callee = values_[call[0]], &arguments = values_[call[1]];
    if (callee.kind != PickleKind::global) refuse("calls something that is no global");
    if (arguments.kind != PickleKind::tuple) refuse("calls a global with something that is no tuple");
    push(meaning_.call(callee, arguments, values_));
  }

  /// Attributes set on an object: ours have none that matter.
  void build() {
    pop();
    const PickleKind kind = values_[top()].kind;
    if (kind != PickleKind::dict && kind != PickleKind::inert) refuse("sets attributes of something that has none");
  }

  ByteReader reader_;
  const PickleMeaning& meaning_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::vector<PickleValue> values_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;  // stack sizes
  std::unordered_map<std::uint32_t, PickleId> memo_;
  std::size_t items_ = 0;
};

}  // namespace

const PickleValue* find_item(const Pickle& pickle, const PickleValue& dict, std::string_view key) {
  const PickleValue* found = nullptr;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& k = pickle.values[dict.items[i]];
    if (k.kind == PickleKind::text && k.text == key) found = &pickle.values[dict.items[i + 1]];
  }
  return found;
}

Pickle read_pickle(std::string_view bytes, const PickleMeaning& meaning, const std::string& where) { return Machine(bytes, meaning, where).run(); }

}  // namespace impasto
