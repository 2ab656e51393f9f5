#include "core/json.h"
#include "fuzz.h"

// What is accepted means the same to nlohmann's own parser, and comes back from its text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace impasto;
  fuzz::expect_error_or_result({ErrorKind::bad_file}, [&] {
    const std::string_view text = fuzz::text(data, size);
    const Json value = parse_json(text, "input");
    CHECK(value == Json::parse(text));
    CHECK(parse_json(value.dump(), "dump") == value);
    if (!value.is_object()) return;
    const JsonObject object(value, "input");
    for (auto field = value.begin(); field != value.end(); ++field)
      fuzz::expect_error_or_result({ErrorKind::bad_file}, [&] { object.integers(field.key().c_str(), {}, -9, 9); });
  });
  return 0;
}
