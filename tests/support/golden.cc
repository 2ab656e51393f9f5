#include "support/golden.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace impasto::test {
namespace fs = std::filesystem;

namespace {

struct Source {
  std::string golden, checkpoints;
};

std::vector<Source> sources() {
  std::vector<Source> found;
  const auto add = [&](const fs::path& golden, const fs::path& checkpoints) {
    if (fs::exists(golden / "manifest.json")) found.push_back({golden.string(), checkpoints.string()});
  };
  add(fs::path(IMPASTO_TEST_DATA) / "golden", fs::path(IMPASTO_TEST_DATA) / "checkpoints");
  const char* more = std::getenv("IMPASTO_GOLDEN");
  const fs::path folder = more != nullptr ? fs::path(more) : fs::path(IMPASTO_SOURCE_DIR) / ".." / "shared" / "golden";
  add(folder, folder / ".." / "checkpoints");
  return found;
}

float as_float(const TensorView& v, std::int64_t i) {
  switch (v.dtype) {
    case DType::float32: return v.as<float>()[i];
    case DType::float16: return float16_to_float32(v.as<std::uint16_t>()[i]);
    case DType::bfloat16: return bfloat16_to_float32(v.as<std::uint16_t>()[i]);
    case DType::float64: return static_cast<float>(v.as<double>()[i]);
    case DType::int64: return static_cast<float>(v.as<std::int64_t>()[i]);
    case DType::int32: return static_cast<float>(v.as<std::int32_t>()[i]);
    case DType::uint8: return v.as<std::uint8_t>()[i];
  }
  return 0;
}

}  // namespace

GoldenCase::GoldenCase(Json record, std::string folder, std::string checkpoints, std::shared_ptr<const WeightReader> tensors)
    : record_(std::move(record)), folder_(std::move(folder)), checkpoints_(std::move(checkpoints)), tensors_(std::move(tensors)) {}

std::string GoldenCase::checkpoint() const { return (fs::path(checkpoints_) / record_.at("checkpoint").get<std::string>()).string(); }

TensorView GoldenCase::view(const std::string& tensor) const {
  TensorView v = tensors_->find(name() + "/" + tensor);
  if (!v) fail(ErrorKind::not_found, "golden case ", name(), " has no tensor ", tensor);
  return v;
}

bool GoldenCase::has(const std::string& tensor) const { return static_cast<bool>(tensors_->find(name() + "/" + tensor)); }
Shape GoldenCase::shape(const std::string& tensor) const { return view(tensor).shape; }

std::vector<float> GoldenCase::floats(const std::string& tensor) const {
  const TensorView v = view(tensor);
  std::vector<float> out(static_cast<std::size_t>(v.count()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = as_float(v, static_cast<std::int64_t>(i));
  return out;
}

std::vector<std::int32_t> GoldenCase::ints(const std::string& tensor) const {
  const TensorView v = view(tensor);
  EXPECT_EQ(v.dtype, DType::int32);
  return {v.as<std::int32_t>(), v.as<std::int32_t>() + v.count()};
}

std::vector<std::uint8_t> GoldenCase::bytes(const std::string& tensor) const {
  const TensorView v = view(tensor);
  EXPECT_EQ(v.dtype, DType::uint8);
  return {v.as<std::uint8_t>(), v.as<std::uint8_t>() + v.count()};
}

double GoldenCase::tolerance(const std::string& tensor) const {
  const Json& t = record_.at("tolerance").at(tensor);
  if (t.contains("atol")) return t.at("atol");
  double peak = 0;
  for (float x : floats(tensor)) peak = std::max(peak, std::abs(static_cast<double>(x)));
  return t.at("rtol").get<double>() * peak;
}

::testing::AssertionResult GoldenCase::matches(const std::string& tensor, const float* got, std::int64_t count, double more) const {
  const std::vector<float> expected = floats(tensor);
  if (static_cast<std::int64_t>(expected.size()) != count)
    return ::testing::AssertionFailure() << name() << "/" << tensor << ": " << count << " values, expected " << expected.size();
  const double allowed = tolerance(tensor) + more;
  std::int64_t worst = 0;
  double error = -1;
  for (std::int64_t i = 0; i < count; ++i) {
    const double e = std::abs(static_cast<double>(got[i]) - expected[static_cast<std::size_t>(i)]);
    if (!(e <= error)) error = e, worst = i;
    if (std::isnan(e)) break;
  }
  if (error <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << name() << "/" << tensor << ": element " << worst << " is " << got[worst] << ", expected "
                                       << expected[static_cast<std::size_t>(worst)] << ": off by " << error << ", allowed " << allowed;
}

std::vector<GoldenCase> golden_cases(const std::string& group) {
  std::vector<GoldenCase> cases;
  for (const Source& source : sources()) {
    const fs::path file = fs::path(source.golden) / (group + ".safetensors");
    if (!fs::exists(file)) continue;
    const auto tensors = open_safetensors(file.string());
    const Json manifest = read_json((fs::path(source.golden) / "manifest.json").string());
    for (const Json& record : manifest.at("cases"))
      if (record.at("group") == group) cases.emplace_back(record, source.golden, source.checkpoints, tensors);
  }
  return cases;
}

std::string test_checkpoint(const std::string& name) { return (fs::path(IMPASTO_TEST_DATA) / "checkpoints" / name).string(); }

}  // namespace impasto::test
