// Pickles and archives made to harm: refused with a reason. Nothing that they name is ever run: the reader has no way to.
#include <functional>

#include "core/memory.h"
#include "support/expect_error.h"
#include "support/late_bytes.h"
#include "support/temporary_folder.h"
#include "weights/make_torch.h"
#include "weights/reader.h"

namespace impasto {
namespace {

using test::little;
using test::make_torch_legacy;
using test::make_torch_zip;
using test::make_zip;
using test::ZipPart;
using namespace test::pickle;

std::string times(const std::string& text, std::size_t n) {
  std::string all;
  for (std::size_t i = 0; i < n; ++i) all += text;
  return all;
}

std::string short_text(std::string_view s) { return "\x8c" + little(static_cast<std::uint8_t>(s.size())) + std::string(s); }

const std::string kZero(1, '\0');
const std::string kFour(16, 'x');  // four floats
const std::string kStorage = storage("0", 4);

/// A state dict of one tensor.
std::string one(const std::string& value) { return whole(dict(text("a") + value)); }

struct Hostile {
  const char* name;
  test::LateBytes pickle;
  ErrorKind kind;
  const char* message;  // null: accepted
};
void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

const Hostile kPickles[] = {
    // --- code
    {"OsSystem", one(call(global("posix", "system"), text("touch /tmp/owned"))), ErrorKind::unsupported, "names posix.system"},
    {"BuiltinsEval", one(call(global("builtins", "eval"), text("1"))), ErrorKind::unsupported, "names builtins.eval"},
    {"OldBuiltins", one(call(global("__builtin__", "eval"), text("1"))), ErrorKind::unsupported, "names __builtin__.eval"},
    {"BesideTheTensors", whole(dict(text("a") + tensor(kStorage, 0, {4}, {1}) + text("b") + global("os", "system"))), ErrorKind::unsupported,
     "os.system"},
    {"NeverCalled", whole(global("os", "system") + "0" + dict("")), ErrorKind::unsupported, "os.system"},
    {"StackGlobal", one(short_text("os") + short_text("system") + "\x93" + tuple(text("true")) + "R"), ErrorKind::unsupported, "os.system"},
    {"NameFromTheMemo", whole(short_text("os") + "\x94" + "0" + short_text("system") + "\x94" + "0" + dict(text("a") + "h" + kZero + "h\x01\x93")),
     ErrorKind::unsupported, "os.system"},
    {"NameOfSeveralModules", one(global("torch._utils.os", "system")), ErrorKind::unsupported, "torch._utils.os.system"},
    {"DottedName", one(global("torch", "serialization.os.system")), ErrorKind::unsupported, "serialization.os.system"},
    {"PathOfAKnownName", one(global("torch", "FloatStorage.__init__")), ErrorKind::unsupported, "FloatStorage.__init__"},
    {"KnownNameOfAnotherModule", one(global("evil", "_rebuild_tensor_v2")), ErrorKind::unsupported, "evil._rebuild_tensor_v2"},
    {"ControlCharactersInAName", one(global("os\x1b[31m", "system")), ErrorKind::unsupported, "os?[31m.system"},
    {"StackGlobalOfANumber", one(integer(1) + short_text("system") + "\x93"), ErrorKind::bad_file, "names a global by something that is no text"},
    {"NameThatIsNoUtf8", whole(dict(text("a\xE9") + tensor(kStorage, 0, {4}, {1}))), ErrorKind::bad_file, "\"a?\" is not UTF-8"},
    {"Instance", whole("(" + text("x") + "ios\nsystem\n"), ErrorKind::bad_file, "uses opcode 105"},
    {"Object", whole("(" + global("collections", "OrderedDict") + text("x") + "o"), ErrorKind::bad_file, "uses opcode 111"},
    {"NewObject", whole(global("collections", "OrderedDict") + ")\x81"), ErrorKind::bad_file, "uses opcode 129"},
    {"Extension", whole("\x82\x01"), ErrorKind::bad_file, "uses opcode 130"},
    {"TextPersistentId", whole("Pstorage\n"), ErrorKind::bad_file, "uses opcode 80"},
    {"CallOfAText", one(call(text("os.system"), text("x"))), ErrorKind::bad_file, "calls something that is no global"},
    {"CallOfAStorageType", one(call(global("torch", "FloatStorage"), integer(4))), ErrorKind::bad_file, "calls a storage's type"},
    {"CallWithoutATuple", one(global("collections", "OrderedDict") + "]R"), ErrorKind::bad_file, "with something that is no tuple"},
    {"OrderedDictOfArguments", one(call(global("collections", "OrderedDict"), "]")), ErrorKind::bad_file, "OrderedDict of arguments"},
    {"SetOfItsName", one(call(global("builtins", "set.__init__"), "]")), ErrorKind::unsupported, "names builtins.set.__init__"},
    {"ArrayAsATensor", one(call(global("torch._utils", "_rebuild_parameter"), call(global("numpy.core.multiarray", "_reconstruct"), ""))),
     ErrorKind::bad_file, "no tensor"},
    // --- misused opcodes
    {"OldProtocol", "}.", ErrorKind::bad_file, "old protocol"},
    {"UnknownProtocol", "\x80\x06}.", ErrorKind::bad_file, "protocol 6"},
    {"SecondProtocol", whole("\x80\x02}"), ErrorKind::bad_file, "odd place"},
    {"EmptyStack", whole(""), ErrorKind::bad_file, "stops with 0 values"},
    {"TwoValues", whole("}}"), ErrorKind::bad_file, "stops with 2 values"},
    {"OpenMark", whole("(}"), ErrorKind::bad_file, "stops with 1 values"},
    {"NoStop", "\x80\x02}", ErrorKind::bad_file, "its pickle: ends at byte 3"},
    {"TextBeyondTheEnd", whole("X" + little(0xFFFFFFFFu)), ErrorKind::bad_file, "4294967295 bytes should follow"},
    {"NegativeText", whole("T" + little(-1)), ErrorKind::bad_file, "text of length -1"},
    {"NameWithoutEnd", whole("ctorch"), ErrorKind::bad_file, "name that does not end"},
    {"PopOfNothing", whole("0}"), ErrorKind::bad_file, "empty stack"},
    {"CopyFromBelowTheMark", whole("](2"), ErrorKind::bad_file, "empty stack"},
    {"TupleOfNothing", whole("\x85}"), ErrorKind::bad_file, "takes 1 values from a stack that holds 0"},
    {"TupleWithoutMark", whole("t}"), ErrorKind::bad_file, "mark that was not set"},
    {"SetItemOfAList", whole("]" + text("a") + text("b") + "s"), ErrorKind::bad_file, "no dict"},
    {"SetItemOfAnInteger", whole(integer(7) + text("a") + text("b") + "s"), ErrorKind::bad_file, "no dict"},
    {"SetItemOfATensor", whole(tensor(kStorage, 0, {4}, {1}) + text("a") + text("b") + "s"), ErrorKind::bad_file, "no dict"},
    {"AppendToADict", whole("}" + text("a") + "a"), ErrorKind::bad_file, "no list"},
    {"KeyWithoutAValue", whole("}(" + text("a") + "u"), ErrorKind::bad_file, "key without a value"},
    {"ListForAKey", whole(dict("]" + text("a"))), ErrorKind::bad_file, "list or a dict for a key"},
    {"DictOfAListForAKey", whole("(]Nd"), ErrorKind::bad_file, "list or a dict for a key"},
    {"MemoThatIsNotThere", whole("}h\x07\x30"), ErrorKind::bad_file, "value 7, which it did not remember"},
    {"AttributesOfAList", whole("]}b"), ErrorKind::bad_file, "sets attributes"},
    {"AttributesOfATensor", one(tensor(kStorage, 0, {4}, {1}) + "}b"), ErrorKind::bad_file, "sets attributes"},
    {"RootIsATensor", whole(tensor(kStorage, 0, {4}, {1})), ErrorKind::bad_file, "a single tensor"},
    {"RootIsAList", whole("]"), ErrorKind::bad_file, "no dict of tensors"},
    {"StringToParamIsAList", whole(dict(text("string_to_param") + "]")), ErrorKind::bad_file, "\"string_to_param\" is no dict"},
    {"StateDictIsAList", whole(dict(text("state_dict") + "]")), ErrorKind::bad_file, "\"state_dict\" is no dict"},
    {"WrapperThatHoldsItself", whole("}q" + kZero + "(" + text("model") + "h" + kZero + "u"), ErrorKind::internal, nullptr},
    {"TrailingBytes", whole("}") + "x", ErrorKind::bad_file, "ends before data.pkl does"},
    // --- tensors
    {"StorageIsText", one(tensor(text("0"), 0, {4}, {1})), ErrorKind::bad_file, "no storage"},
    {"IdIsNoTuple", one(tensor(text("0") + "Q", 0, {4}, {1})), ErrorKind::bad_file, "no tuple of 5"},
    {"IdOfAnotherKind",
     one(tensor(tuple(text("module") + global("torch", "FloatStorage") + text("0") + text("cpu") + integer(4)) + "Q", 0, {4}, {1})),
     ErrorKind::bad_file, "does not say \"storage\""},
    {"IdWithoutType",
     one(tensor(tuple(text("storage") + global("collections", "OrderedDict") + text("0") + text("cpu") + integer(4)) + "Q", 0, {4}, {1})),
     ErrorKind::bad_file, "whose type is none"},
    {"NegativeStorage", one(tensor(storage("0", -4), 0, {4}, {1})), ErrorKind::bad_file, "whose size is no number"},
    {"StorageThatIsMissing", one(tensor(storage("1", 4), 0, {4}, {1})), ErrorKind::bad_file, "storage \"1\" of tensor \"a\" is missing"},
    {"StorageOfAnotherPlace", one(tensor(storage("../data.pkl", 4), 0, {4}, {1})), ErrorKind::bad_file, "is missing"},
    {"StorageTooLarge", one(tensor(storage("0", 5), 0, {4}, {1})), ErrorKind::bad_file, "has 16 bytes, but 5 elements of float32 take 20"},
    {"StorageTooSmall", one(tensor(storage("0", 3), 0, {3}, {1})), ErrorKind::bad_file, "has 16 bytes, but 3 elements"},
    {"StorageOfAnotherType", one(tensor(storage("0", 4, "DoubleStorage"), 0, {4}, {1})), ErrorKind::bad_file, "4 elements of float64 take 32"},
    {"StorageOverflows", one(tensor(storage("0", INT64_MAX), 0, {4}, {1})), ErrorKind::bad_file, "more than a file can hold"},
    {"OffsetBeyond", one(tensor(kStorage, 1, {4}, {1})), ErrorKind::bad_file, "does not lie inside of its storage of 4"},
    {"OffsetOverflows", one(tensor(kStorage, INT64_MAX, {4}, {1})), ErrorKind::bad_file, "does not lie inside"},
    {"NegativeOffset", one(tensor(kStorage, -1, {4}, {1})), ErrorKind::bad_file, "offset"},
    {"StridesBeyond", one(tensor(kStorage, 0, {2, 2}, {3, 1})), ErrorKind::bad_file, "does not lie inside"},
    {"StridesOverflow", one(tensor(kStorage, 0, {3, 1}, {INT64_MAX, 1})), ErrorKind::bad_file, "does not lie inside"},
    {"NegativeStride", one(tensor(kStorage, 3, {4}, {-1})), ErrorKind::bad_file, "no number of 0 or more"},
    {"NegativeSize", one(tensor(kStorage, 0, {-4}, {1})), ErrorKind::bad_file, "no number of 0 or more"},
    {"SizesOverflow", one(tensor(kStorage, 0, {INT64_MAX, INT64_MAX}, {0, 0})), ErrorKind::bad_file, "does not lie inside"},
    {"SizesOf2To63", one(tensor(kStorage, 0, {std::int64_t{1} << 32, std::int64_t{1} << 31}, {0, 0})), ErrorKind::bad_file, "does not lie inside"},
    {"StrideOfZeroMakesMuchOfLittle", one(tensor(kStorage, 0, {1 << 20, 1 << 20}, {0, 0})), ErrorKind::bad_file, "does not lie inside"},
    {"SizesAndStridesDiffer", one(tensor(kStorage, 0, {2, 2}, {1})), ErrorKind::bad_file, "tuples of one length"},
    {"NineDimensions", one(tensor(kStorage, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1})), ErrorKind::bad_file,
     "more than 8 dimensions"},
    {"TooFewArguments", one(call(global("torch._utils", "_rebuild_tensor_v2"), kStorage)), ErrorKind::bad_file, "fewer than 4"},
    {"ParameterOfNothing", one(call(global("torch._utils", "_rebuild_parameter"), "")), ErrorKind::bad_file, "no tensor"},
    {"IpAdaptersPartTwice",
     whole(dict(text("image_proj") + dict(text("a") + tensor(kStorage, 0, {4}, {1})) + text("image_proj") +
                dict(text("a") + tensor(kStorage, 0, {2}, {1})))),
     ErrorKind::bad_file, "\"image_proj.a\" stands twice"},
    {"IpAdaptersPartBesideItsName",
     whole(dict(text("ip_adapter.a") + tensor(kStorage, 0, {4}, {1}) + text("ip_adapter") + dict(text("a") + tensor(kStorage, 0, {2}, {1})))),
     ErrorKind::bad_file, "\"ip_adapter.a\" stands twice"},
    {"OneNameTwice", whole(dict(text("a") + tensor(kStorage, 0, {4}, {1}) + text("a") + tensor(kStorage, 0, {2}, {1}))), ErrorKind::bad_file,
     "\"a\" stands twice"},
    // --- bombs
    {"ManyMarks", [] { return whole(times("(", 600'000)); }, ErrorKind::bad_file, "marks"},
    {"ManyValues", [] { return whole(times("]0", 600'000)); }, ErrorKind::bad_file, "more than 500000 values"},
    {"DeepStack", [] { return whole("]" + times("2", 600'000)); }, ErrorKind::bad_file, "values on its stack"},
    {"ManyItems", [] { return whole("]q" + kZero + times("(" + times("h" + kZero, 400'000) + "e", 11)); }, ErrorKind::bad_file,
     "items in its containers"},
    // --- odd but honest
    {"EmptyDict", whole("}"), ErrorKind::internal, nullptr},
    {"ListThatHoldsItself", whole("}" + text("a") + "]q" + kZero + "h" + kZero + "as"), ErrorKind::internal, nullptr},
    {"DeepNesting", [] { return whole("}" + text("a") + times("]", 100'000) + times("a", 99'999) + "s"); }, ErrorKind::internal, nullptr},
    {"NoElements", one(tensor(storage("e", 0), 0, {0, 5}, {5, 1})), ErrorKind::internal, nullptr},
    {"TiedTensors", whole(dict(text("a") + tensor(kStorage, 0, {4}, {1}) + text("b") + tensor(kStorage, 0, {2, 2}, {1, 2}))), ErrorKind::internal,
     nullptr},
    {"LongNumbers", whole(dict(text("a") + "\x8a\x0a" + std::string(10, '\x7f') + text("b") + "\x8a" + kZero)), ErrorKind::internal, nullptr},
};

class HostilePickle : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostilePickle, IsRefusedWithAReason) {
  const Hostile& hostile = GetParam();
  const test::TemporaryFolder folder;
  const std::string path = folder.write("w.ckpt", make_torch_zip(hostile.pickle(), {{"0", kFour}, {"e", ""}}));
  if (hostile.message == nullptr) {
    EXPECT_NO_THROW(copied_weights(*open_weights_file(path)));
    return;
  }
  EXPECT_TRUE(test::throws_error([&] { open_weights_file(path); }, hostile.kind, {"w.ckpt", hostile.message}));
}

INSTANTIATE_TEST_SUITE_P(Table, HostilePickle, ::testing::ValuesIn(kPickles), [](const auto& info) { return std::string(info.param.name); });

const std::string kModel = one(tensor(kStorage, 0, {4}, {1}));

/// An honest file's parts.
std::vector<ZipPart> parts() { return {{"m/data.pkl", kModel}, {"m/data/0", kFour}}; }

std::string with(const std::function<void(std::vector<ZipPart>&)>& change, std::int64_t entries = -1) {
  std::vector<ZipPart> all = parts();
  change(all);
  return make_zip(all, entries);
}

/// Bytes of an archive, some of them replaced: `at` counts from the end when it is negative.
std::string patched(std::string archive, std::int64_t at, std::string_view bytes) {
  return archive.replace(static_cast<std::size_t>(at < 0 ? static_cast<std::int64_t>(archive.size()) + at : at), bytes.size(), bytes);
}

struct HostileArchive {
  const char* name;
  std::string bytes;
  ErrorKind kind;
  const char* message;  // null: accepted
};
void PrintTo(const HostileArchive& h, std::ostream* out) { *out << h.name; }

const HostileArchive kArchives[] = {
    {"Honest", make_zip(parts()), ErrorKind::internal, nullptr},
    {"AppendedBytes", make_zip(parts()) + "x", ErrorKind::bad_file, "no directory at its end"},
    {"PrependedBytes", "PK\3\4" + make_zip(parts()), ErrorKind::bad_file, "does not end where its end record begins"},
    {"NoPickle", with([](auto& p) { p[0].name = "m/other.pkl"; }), ErrorKind::bad_file, "holds no data.pkl in a folder"},
    {"PickleWithoutFolder", with([](auto& p) { p[0].name = "data.pkl"; }), ErrorKind::bad_file, "holds no data.pkl in a folder"},
    {"TwoPickles", with([](auto& p) {
       p.push_back({"n/data.pkl", kModel});
     }),
     ErrorKind::bad_file, "two pickles"},
    {"PickleTwice", with([](auto& p) { p.push_back(p[0]); }), ErrorKind::bad_file, "stands twice"},
    {"AnotherNameInItsHeader", with([](auto& p) { p[0].local_name = "m/data.pk1"; }), ErrorKind::bad_file, "is another one in its own header"},
    {"AnotherSizeInItsHeader", with([](auto& p) { p[1].directory_size = 15; }), ErrorKind::bad_file, "has two sizes"},
    {"WrongChecksum", with([](auto& p) { p[0].crc = 1; }), ErrorKind::bad_file, "another checksum"},
    {"Encrypted", with([](auto& p) { p[0].flags = 1; }), ErrorKind::unsupported, "is encrypted"},
    {"UnknownPacking", with([](auto& p) { p[0].method = 12; }), ErrorKind::unsupported, "packed by method 12"},
    {"BrokenPacking", with([](auto& p) { p[0].method = 8, p[0].size = 1000; }), ErrorKind::bad_file, "does not unpack"},
    {"PackedStorage", with([](auto& p) { p[1].method = 8; }), ErrorKind::unsupported, "is compressed"},
    {"Bomb", with([](auto& p) { p[0].method = 8, p[0].size = 0x7FFFFFFF; }), ErrorKind::bad_file,
     "takes 2147483647 bytes, expected at most 67108864"},
    {"Overlap", with([](auto& p) {
       p.push_back({"m/data/1", "x", 0, 0, -1, -1, -static_cast<std::int64_t>(kFour.size()) - 38});
     }),
     ErrorKind::bad_file, "is another one in its own header"},
    {"HeaderElsewhere", with([](auto& p) { p[1].header_shift = 3; }), ErrorKind::bad_file, "does not begin where the directory says"},
    {"HeaderBeyond", with([](auto& p) { p[1].header_shift = 1 << 20; }), ErrorKind::bad_file, "lies outside"},
    {"ParentFolder", with([](auto& p) {
       p.push_back({"m/../../x", "x"});
     }),
     ErrorKind::bad_file, "not a plain relative path"},
    {"AbsolutePath", with([](auto& p) {
       p.push_back({"/m/x", "x"});
     }),
     ErrorKind::bad_file, "not a plain relative path"},
    {"Backslash", with([](auto& p) {
       p.push_back({"m\\x", "x"});
     }),
     ErrorKind::bad_file, "not a plain relative path"},
    {"EmptyName", with([](auto& p) {
       p.push_back({"", "x"});
     }),
     ErrorKind::bad_file, "not a plain relative path"},
    {"MoreEntriesThanThereAre", make_zip(parts(), 3), ErrorKind::bad_file, "should follow"},
    {"FewerEntriesThanThereAre", make_zip(parts(), 1), ErrorKind::bad_file, "more than its entries"},
    {"DirectoryBeyond", patched(make_zip(parts()), -6, little(0x7FFFFFFFu)), ErrorKind::bad_file, "does not end where"},
    {"DirectoryTooLarge", patched(make_zip(parts()), -10, little(0x7FFFFFFFu)), ErrorKind::bad_file, "claims"},
    {"SecondVolume", patched(make_zip(parts()), -18, little<std::uint16_t>(1)), ErrorKind::bad_file, "one volume"},
    {"Comment", patched(make_zip(parts()), -2, little<std::uint16_t>(4)), ErrorKind::bad_file, "one volume"},
    {"BigEndian", with([](auto& p) {
       p.push_back({"m/byteorder", "big"});
     }),
     ErrorKind::unsupported, "byte order \"big\""},
    {"SomeArchive", make_zip({{"readme.txt", "hello"}}), ErrorKind::bad_file, "none that PyTorch wrote"},
};

class HostileZip : public ::testing::TestWithParam<HostileArchive> {};

TEST_P(HostileZip, IsRefusedWithAReason) {
  const HostileArchive& hostile = GetParam();
  const test::TemporaryFolder folder;
  const std::string path = folder.write("w.ckpt", hostile.bytes);
  if (hostile.message == nullptr) {
    EXPECT_NO_THROW(copied_weights(*open_weights_file(path)));
    return;
  }
  EXPECT_TRUE(test::throws_error([&] { open_weights_file(path); }, hostile.kind, {"w.ckpt", hostile.message}));
}

INSTANTIATE_TEST_SUITE_P(Table, HostileZip, ::testing::ValuesIn(kArchives), [](const auto& info) { return std::string(info.param.name); });

TEST(HostileTorch, BombsTakeLittleMemory) {
  const test::TemporaryFolder folder;
  const std::int64_t before = peak_resident_memory();
  for (const Hostile& hostile : kPickles) {
    const std::string path = folder.write("w.ckpt", make_torch_zip(hostile.pickle(), {{"0", kFour}, {"e", ""}}));
    try {
      open_weights_file(path);
    } catch (const Error&) {
    }
  }
#if defined(__SANITIZE_ADDRESS__)
  const std::int64_t kept = 256 << 20;  // AddressSanitizer holds back what was freed, up to its quarantine's size
#else
  const std::int64_t kept = 0;
#endif
  EXPECT_LT(peak_resident_memory() - before, (100 << 20) + kept);
}

TEST(HostileTorch, LegacyContainersAreCheckedToo) {
  const test::TemporaryFolder folder;
  const std::string object = dict(text("a") + tensor(kStorage, 0, {4}, {1})), key = list(text("0")), data = little<std::int64_t>(4) + kFour;
  const auto open = [&](const std::string& bytes) { return open_weights_file(folder.write("w.pt", bytes)); };
  EXPECT_TRUE(open(make_torch_legacy(object, key, data))->find("a"));
  EXPECT_ERROR(open(make_torch_legacy(object, key, data + "x")), bad_file, "1 bytes follow the last storage");
  EXPECT_ERROR(open(make_torch_legacy(object, key, data.substr(0, 20))), bad_file, "reaches beyond the end");
  EXPECT_ERROR(open(make_torch_legacy(object, key, little<std::int64_t>(INT64_MAX) + kFour)), bad_file, "reaches beyond the end");
  EXPECT_ERROR(open(make_torch_legacy(object, key, little<std::int64_t>(-1) + kFour)), bad_file, "reaches beyond the end");
  EXPECT_ERROR(open(make_torch_legacy(object, key, little<std::int64_t>(2) + kFour.substr(8))), bad_file, "4 elements of float32 take 16");
  EXPECT_ERROR(open(make_torch_legacy(object, list(text("0") + text("0")), data + data)), bad_file, "\"0\" twice");
  EXPECT_ERROR(open(make_torch_legacy(object, list(text("1")), data)), bad_file, "\"1\" that no tensor has");
  EXPECT_ERROR(open(make_torch_legacy(object, "}", data)), bad_file, "no list of its storages");
  EXPECT_ERROR(open(make_torch_legacy(object, list(""), "")), bad_file, "storage \"0\" of tensor \"a\" is missing");
  EXPECT_ERROR(open(make_torch_legacy(dict(text("a") + call(global("os", "system"), text("true"))), key, data)), unsupported, "os.system");
  EXPECT_ERROR(open(whole(object)), bad_file, "a pickle that is not PyTorch's");
  EXPECT_ERROR(open(whole(call(global("os", "system"), text("true")))), unsupported, "os.system");
  const std::string two_types = dict(text("a") + tensor(kStorage, 0, {4}, {1}) + text("b") + tensor(storage("0", 4, "IntStorage"), 0, {4}, {1}));
  EXPECT_ERROR(open(make_torch_legacy(two_types, key, data)), bad_file, "has two types");
}

}  // namespace
}  // namespace impasto
