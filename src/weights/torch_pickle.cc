// torch/_utils.py and torch/serialization.py say what the names do.
#include "weights/torch_pickle.h"

#include <set>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr TorchType kTypes[] = {
    {"FloatStorage", "float32", 4, DType::float32},
    {"HalfStorage", "float16", 2, DType::float16},
    {"BFloat16Storage", "bfloat16", 2, DType::bfloat16},
    {"DoubleStorage", "float64", 8, DType::float64},
    {"LongStorage", "int64", 8, DType::int64},
    {"IntStorage", "int32", 4, DType::int32},
    {"ByteStorage", "uint8", 1, DType::uint8},
    {"ShortStorage", "int16", 2, {}},
    {"CharStorage", "int8", 1, {}},
    {"BoolStorage", "bool", 1, {}},
    {"ComplexFloatStorage", "complex64", 8, {}},
    {"ComplexDoubleStorage", "complex128", 16, {}},
};

enum class Role { tensor, parameter, dict, inert };

struct KnownGlobal {
  std::string_view module, name;
  Role role;
};

constexpr KnownGlobal kGlobals[] = {
    {"torch._utils", "_rebuild_tensor_v2", Role::tensor},
    {"torch._utils", "_rebuild_tensor", Role::tensor},
    {"torch._utils", "_rebuild_parameter", Role::parameter},
    {"collections", "OrderedDict", Role::dict},
    // Beside the tensors of the published files: losses and paths of Lightning's callbacks.
    {"numpy.core.multiarray", "scalar", Role::inert},
    {"numpy._core.multiarray", "scalar", Role::inert},
    {"numpy", "dtype", Role::inert},
    {"numpy.core.multiarray", "_reconstruct", Role::inert},
    {"numpy._core.multiarray", "_reconstruct", Role::inert},
    {"numpy", "ndarray", Role::inert},
    {"_codecs", "encode", Role::inert},
    {"builtins", "set", Role::inert},
    {"__builtin__", "set", Role::inert},
    {"collections", "Counter", Role::inert},
    {"torch", "device", Role::inert},
    {"torch", "Size", Role::inert},
    {"pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", Role::inert},
};
constexpr std::int64_t kFirstStorage = 1000;  // globals are numbered: those above, then the storages

constexpr std::size_t kMostMetadata = 100, kLongestMetadata = 1000;

PickleValue of_kind(PickleKind kind) {
  PickleValue value;
  value.kind = kind;
  return value;
}

std::string full_name(std::string_view module, std::string_view name) { return printable(module, 80) + "." + printable(name, 80); }

}  // namespace

const TorchType& storage_type(const PickleValue& storage) { return kTypes[storage.type]; }

PickleValue TorchMeaning::global(std::string_view module, std::string_view name) const {
  PickleValue value = of_kind(PickleKind::global);
  for (std::size_t i = 0; i < std::size(kGlobals); ++i, ++value.integer)
    if (kGlobals[i].module == module && kGlobals[i].name == name) return value;
  value.integer = kFirstStorage;
  for (const TorchType& type : kTypes) {
    if (module == "torch" && name == type.storage) return value;
    ++value.integer;
  }
  fail(ErrorKind::unsupported, where_, ": its pickle names ", full_name(module, name),
       ", which is none of the few names that rebuild tensors; read by Python, this file might run code. Nothing of it was run. Get the model as "
       "safetensors");
}

PickleValue TorchMeaning::call(const PickleValue& global, const PickleValue& arguments, const std::vector<PickleValue>& values) const {
  if (global.integer >= kFirstStorage) fail(ErrorKind::bad_file, where_, ": its pickle calls a storage's type");
  switch (kGlobals[global.integer].role) {
    case Role::tensor: return tensor(arguments, values);
    case Role::dict:
      if (!arguments.items.empty()) fail(ErrorKind::bad_file, where_, ": its pickle makes an OrderedDict of arguments, which PyTorch does not");
      return of_kind(PickleKind::dict);
    case Role::parameter:
      if (arguments.items.empty() || values[arguments.items[0]].kind != PickleKind::tensor)
        fail(ErrorKind::bad_file, where_, ": its pickle makes a parameter of something that is no tensor");
      return values[arguments.items[0]];
    case Role::inert: return of_kind(PickleKind::inert);
  }
  fail(ErrorKind::internal, "a global without a role");
}

/// (storage, offset, size, stride, ...)
PickleValue TorchMeaning::tensor(const PickleValue& arguments, const std::vector<PickleValue>& values) const {
  const auto wrong = [&](const char* what) { fail(ErrorKind::bad_file, where_, ": its pickle rebuilds a tensor ", what); };
  if (arguments.items.size() < 4) wrong("from fewer than 4 arguments");
  const PickleValue &offset = values[arguments.items[1]], &size = values[arguments.items[2]], &stride = values[arguments.items[3]];
  if (values[arguments.items[0]].kind != PickleKind::storage) wrong("from something that is no storage");
  if (offset.kind != PickleKind::integer || offset.integer < 0) wrong("at an offset that is no number of 0 or more");
  if (size.kind != PickleKind::tuple || stride.kind != PickleKind::tuple || size.items.size() != stride.items.size())
    wrong("with sizes and strides that are not tuples of one length");
  if (size.items.size() > PickleTensor::kMaxRank) wrong("of more than 8 dimensions");
  PickleTensor t;
  t.rank = static_cast<int>(size.items.size());
  t.offset = offset.integer;
  for (std::size_t i = 0; i < size.items.size(); ++i) {
    const PickleValue &n = values[size.items[i]], &step = values[stride.items[i]];
    if (n.kind != PickleKind::integer || step.kind != PickleKind::integer || n.integer < 0 || step.integer < 0)
      wrong("with a size or a stride that is no number of 0 or more");
    t.dims[i] = n.integer, t.strides[i] = step.integer;
  }
  PickleValue value = of_kind(PickleKind::tensor);
  value.items = {arguments.items[0]};
  value.tensor = std::make_shared<const PickleTensor>(t);
  return value;
}

/// ("storage", type, key, location, elements), and in the legacy container a view of it.
PickleValue TorchMeaning::persistent(const PickleValue& id, const std::vector<PickleValue>& values) const {
  const auto wrong = [&](const char* what) { fail(ErrorKind::bad_file, where_, ": its pickle stands for a storage by an id ", what); };
  if (id.kind != PickleKind::tuple || id.items.size() < 5 || id.items.size() > 6) wrong("that is no tuple of 5");
  const auto item = [&](std::size_t i) -> const PickleValue& { return values[id.items[i]]; };
  if (item(0).kind != PickleKind::text || item(0).text != "storage") wrong("that does not say \"storage\"");
  if (item(1).kind != PickleKind::global || item(1).integer < kFirstStorage) wrong("whose type is none");
  if (item(2).kind != PickleKind::text || item(2).text.empty() || item(2).text.size() > 100) wrong("whose key is no short text");
  if (item(4).kind != PickleKind::integer || item(4).integer < 0) wrong("whose size is no number of 0 or more");
  if (id.items.size() == 6 && item(5).kind != PickleKind::none) wrong("of a view, which is not supported");
  PickleValue value = of_kind(PickleKind::storage);
  value.type = static_cast<int>(item(1).integer - kFirstStorage);
  value.text = item(2).text;
  value.integer = item(4).integer;
  return value;
}

namespace {

/// Throws when it reaches out of its storage, or has more elements than that: a stride of 0 would make any number of a few bytes.
void check_place(const TorchTensor& t, const std::string& where) {
  std::int64_t count = 1, last = t.place.offset;
  bool fits = true;
  for (int i = 0; i < t.place.rank; ++i) fits = fits && !__builtin_mul_overflow(count, t.place.dims[static_cast<std::size_t>(i)], &count);
  for (int i = 0; fits && count > 0 && i < t.place.rank; ++i) {
    std::int64_t reach = 0;
    const auto k = static_cast<std::size_t>(i);
    fits = !__builtin_mul_overflow(t.place.dims[k] - 1, t.place.strides[k], &reach) && !__builtin_add_overflow(last, reach, &last);
  }
  if (!fits || (count > 0 && last >= t.storage_elements) || count > t.storage_elements || t.place.offset > t.storage_elements)
    fail(ErrorKind::bad_file, where, ": tensor ", in_quotes(t.name), " does not lie inside of its storage of ", t.storage_elements, " elements");
}

TorchTensor tensor_of(const Pickle& pickle, std::string_view name, const PickleValue& value, const std::string& where) {
  const PickleValue& storage = pickle.values[value.items[0]];
  TorchTensor t{std::string(name), std::string(storage.text), &storage_type(storage), storage.integer, *value.tensor};
  check_place(t, where);
  return t;
}

void add_metadata(const Pickle& pickle, const PickleValue& dict, TorchContent& content) {
  for (std::size_t i = 0; i + 1 < dict.items.size() && content.metadata.size() < kMostMetadata; i += 2) {
    const PickleValue &key = pickle.values[dict.items[i]], &value = pickle.values[dict.items[i + 1]];
    if (key.kind != PickleKind::text || key.text.size() > kLongestMetadata) continue;
    if (value.kind == PickleKind::integer) content.metadata.emplace(key.text, std::to_string(value.integer));
    if (value.kind == PickleKind::text && value.text.size() <= kLongestMetadata) content.metadata.emplace(key.text, value.text);
  }
}

/// Adds the tensors of a dict. Those of the two dicts inside of it that an IP-Adapter has count as "image_proj.NAME" and "ip_adapter.NAME".
void add_tensors(const Pickle& pickle, const PickleValue& dict, const std::string& prefix, const std::string& where, TorchContent& content,
                 std::set<std::string>& names) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue &key = pickle.values[dict.items[i]], &value = pickle.values[dict.items[i + 1]];
    if (key.kind != PickleKind::text) continue;
    const bool adapter = prefix.empty() && value.kind == PickleKind::dict && (key.text == "image_proj" || key.text == "ip_adapter");
    if (adapter) add_tensors(pickle, value, std::string(key.text) + '.', where, content, names);
    if (value.kind != PickleKind::tensor) continue;  // training state
    const std::string name = prefix + std::string(key.text);
    if (!names.insert(name).second) fail(ErrorKind::bad_file, where, ": the tensor ", in_quotes(name), " stands twice in it");
    content.tensors.push_back(tensor_of(pickle, name, value, where));
  }
}

bool holds_tensors(const Pickle& pickle, const PickleValue& dict) {
  for (std::size_t i = 1; i < dict.items.size(); i += 2)
    if (pickle.values[dict.items[i]].kind == PickleKind::tensor) return true;
  return false;
}

/// The dict that a trainer put around the tensors may stand in others: those are looked through, but not for ever, since a dict may hold itself.
const PickleValue& unwrapped(const Pickle& pickle, const PickleValue& outer) {
  constexpr int kMostWrappers = 4;
  const PickleValue* dict = &outer;
  for (int depth = 0; depth < kMostWrappers && !holds_tensors(pickle, *dict); ++depth) {
    const PickleValue* inner = nullptr;
    for (const char* key : {"module", "model", "state_dict"}) {
      const PickleValue* found = find_item(pickle, *dict, key);
      if (found != nullptr && found->kind == PickleKind::dict) inner = found;
    }
    if (inner == nullptr) break;
    dict = inner;
  }
  return *dict;
}

}  // namespace

TorchContent read_torch_content(const Pickle& pickle, const std::string& where) {
  const PickleValue& root = pickle.top();
  if (root.kind != PickleKind::dict)
    fail(ErrorKind::bad_file, where, ": its pickle is no dict of tensors", root.kind == PickleKind::tensor ? " but a single tensor" : "");
  const PickleValue* inner = nullptr;
  for (const char* key : {"string_to_param", "state_dict"}) {
    const PickleValue* found = find_item(pickle, root, key);
    if (found != nullptr && found->kind != PickleKind::dict) fail(ErrorKind::bad_file, where, ": its \"", key, "\" is no dict");
    if (found != nullptr) inner = found;
  }
  const PickleValue& dict = unwrapped(pickle, inner != nullptr ? *inner : root);
  TorchContent content;
  add_metadata(pickle, root, content);
  std::set<std::string> names;
  add_tensors(pickle, dict, "", where, content, names);
  return content;
}

}  // namespace impasto
