// Models written in another layout or type: what is read back draws the same.
#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "impasto/convert.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/single_file.h"
#include "support/temporary_folder.h"
#include "weights/make_torch.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

namespace fs = std::filesystem;

/// Two guided steps.
std::vector<float> drawn(const std::string& path, const std::string& tokenizer = {}) {
  const Pipeline pipeline = Pipeline::load(path, {.parts = {.tokenizer = tokenizer}});
  InpaintOptions o;
  o.prompt = "a red fox!";
  o.num_inference_steps = 2;
  o.seed = 3;
  o.image = {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 100)};
  o.mask_image = {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 255)};
  return (pipeline.info().inpainting ? pipeline.inpaint(o) : pipeline.text_to_image(o)).latents.values;
}

std::int64_t parameters(const std::string& path) {
  std::int64_t sum = 0;
  for (const ComponentInfo& component : inspect(path).components) sum += component.parameters;
  return sum;
}

class Convert : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string checkpoint_ = GetParam(), source_ = test_checkpoint(checkpoint_),
                    tokenizer_ = fs::exists(source_ + "/tokenizer") ? source_ + "/tokenizer" : source_;
  TemporaryFolder folder_;
};

TEST_P(Convert, RoundTripsDrawTheSame) {
  const std::vector<float> expected = drawn(source_);
  const std::string file = folder_ / "a.safetensors", again = folder_ / "c.safetensors";
  EXPECT_EQ(convert(source_, file).format, "safetensors");
  EXPECT_EQ(drawn(file, tokenizer_), expected);
  EXPECT_EQ(convert(file, folder_ / "b", {.parts = {.tokenizer = tokenizer_}}).format, "diffusers folder");
  EXPECT_EQ(drawn(folder_ / "b"), expected);
  convert(folder_ / "b", again);
  EXPECT_EQ(drawn(again, tokenizer_), expected);
  folder_.write("d.ckpt", torch_zip_of(*open_weights_file(again)));
  convert(folder_ / "d.ckpt", folder_ / "e", {.parts = {.tokenizer = tokenizer_, .config = source_}});
  EXPECT_EQ(drawn(folder_ / "e"), expected);
  EXPECT_EQ(convert(again, again, {.dtype = "float32"}).bytes, 4 * parameters(source_));  // over itself
  EXPECT_EQ(drawn(again, tokenizer_), expected);
}

/// The checkpoint's folder with pickles in place of safetensors.
void pickle_folder(const std::string& source, const std::string& folder) {
  fs::copy(source, folder, fs::copy_options::recursive);
  for (const auto& [component, stem, pickled] : {std::array{"unet", "diffusion_pytorch_model", "diffusion_pytorch_model.bin"},
                                                 {"vae", "diffusion_pytorch_model", "diffusion_pytorch_model.bin"},
                                                 {"text_encoder", "model", "pytorch_model.bin"},
                                                 {"text_encoder_2", "model", "pytorch_model.bin"}}) {
    if (!fs::exists(folder + "/" + component)) continue;
    const std::string place = folder + "/" + component, bytes = torch_zip_of(*open_weights(place, stem));
    for (const auto& entry : fs::directory_iterator(place))
      if (entry.path().string().find(".safetensors") != std::string::npos) fs::remove(entry.path());
    std::ofstream(place + "/" + pickled, std::ios::binary) << bytes;
  }
}

TEST_P(Convert, EveryFormatBecomesEveryOtherAndDrawsTheSame) {
  const std::vector<float> expected = drawn(source_);
  convert(source_, folder_ / "a.safetensors");
  convert(source_, folder_ / "a.gguf");
  folder_.write("zip.ckpt", torch_zip_of(*open_weights_file(folder_ / "a.safetensors")));
  folder_.write("legacy.pt", torch_legacy_of(*open_weights_file(folder_ / "a.safetensors")));
  pickle_folder(source_, folder_ / "pickles");
  for (const std::string& from :
       {source_, folder_ / "pickles", folder_ / "a.safetensors", folder_ / "a.gguf", folder_ / "zip.ckpt", folder_ / "legacy.pt"})
    for (const std::string to : {"to", "to.safetensors", "to.gguf"}) {
      convert(from, folder_ / to, {.parts = {.tokenizer = tokenizer_, .config = source_}});
      EXPECT_EQ(drawn(folder_ / to, tokenizer_), expected) << from << " " << to;
      fs::remove_all(folder_ / to);
    }
}

TEST_P(Convert, SingleFilesAreAsTheReferencesAre) {
  write_single_file(checkpoint_, folder_ / "reference.safetensors", {.foreign_tensors = false});
  convert(source_, folder_ / "ours.safetensors");
  const auto reference = open_weights_file(folder_ / "reference.safetensors"), ours = open_weights_file(folder_ / "ours.safetensors");
  std::vector<std::string> expected = reference->names();
  std::erase_if(expected, [](const std::string& name) { return name.find("resblocks.4.") != name.npos; });  // the spare layer
  EXPECT_EQ(ours->names(), expected);
  for (const std::string& name : expected) {
    const TensorView a = reference->find(name), b = ours->find(name);
    EXPECT_EQ(a.shape, b.shape) << name;
    ASSERT_EQ(a.bytes(), b.bytes()) << name;
    EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes()), 0) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Convert, ::testing::Values("tiny-sd15", "tiny-sd21", "tiny-inpaint", "tiny-sdxl", "tiny-sdxl-refiner"),
                         [](const auto& info) {
                           std::string name = std::string(info.param).substr(5);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ConvertModel, RoundsToTheTypeThatIsAskedFor) {
  const TemporaryFolder folder;
  const std::string source = test_checkpoint("tiny-sd21");
  for (const char* dtype : {"float16", "bfloat16", "float32"}) {
    convert(source, folder / dtype, {.dtype = dtype});
    for (const ComponentInfo& component : inspect(folder / dtype).components) EXPECT_EQ(component.dtypes, std::vector<std::string>{dtype});
    EXPECT_NO_THROW(drawn(folder / dtype));
  }
  EXPECT_EQ(drawn(folder / "float32"), drawn(source));
  EXPECT_NE(drawn(folder / "float16"), drawn(source));
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

TEST_P(Convert, GgufHoldsTheSameAndPacksWithASmallError) {
  const std::vector<float> expected = drawn(source_);
  convert(source_, folder_ / "plain.gguf");
  EXPECT_EQ(inspect(folder_ / "plain.gguf").format, "GGUF");
  EXPECT_EQ(drawn(folder_ / "plain.gguf", tokenizer_), expected);
  const auto error_of = [&](const std::string& dtype) {
    const std::string file = folder_ / (dtype + ".gguf");
    convert(source_, file, {.dtype = dtype});
    EXPECT_LT(fs::file_size(file), fs::file_size(folder_ / "plain.gguf"));
    return distance(drawn(file, tokenizer_), expected);
  };
  const double fine = error_of("q8_0"), coarse = error_of("q4_0");
  EXPECT_LT(fine, 0.05);
  EXPECT_GT(coarse / fine, 4);  // its steps are 127 / 8 = 16 times as wide
  EXPECT_LT(coarse / fine, 64);
  EXPECT_ERROR(convert(source_, folder_ / "a.safetensors", {.dtype = "q8_0"}), unsupported, "q8_0", ".gguf");
}

TEST(ConvertModel, TakesPartsAndPredictionTypeAlong) {
  const TemporaryFolder folder;
  const std::string source = test_checkpoint("tiny-sd15");
  convert(source, folder / "a.safetensors", {.parts = {.vae = test_checkpoint("tiny-sd21"), .prediction_type = "v_prediction"}});
  EXPECT_EQ(inspect(folder / "a.safetensors").prediction_type, "v_prediction");
  const auto theirs = open_weights(test_checkpoint("tiny-sd21") + "/vae", "diffusion_pytorch_model");
  const auto ours = open_weights_file(folder / "a.safetensors");
  const TensorView a = theirs->find("decoder.conv_in.weight"), b = ours->find("first_stage_model.decoder.conv_in.weight");
  ASSERT_EQ(a.bytes(), b.bytes());
  EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes()), 0);
}

TEST(ConvertModel, PadsAsOpenClipDoesWhateverTheTokenizerSays) {
  const TemporaryFolder folder;
  write_single_file("tiny-sd21", folder / "a.safetensors");
  const std::string other = test_checkpoint("tiny-sd15") + "/tokenizer";  // pads with the end token
  convert(folder / "a.safetensors", folder / "b", {.parts = {.tokenizer = other, .config = test_checkpoint("tiny-sd21")}});
  EXPECT_EQ(drawn(folder / "b"), drawn(test_checkpoint("tiny-sd21")));
}

TEST(ConvertModel, APartAloneKeepsItsNames) {
  const TemporaryFolder folder;
  const std::string source = test_checkpoint("tiny-sd15");
  for (const auto& [component, stem] : {std::pair{"vae", "diffusion_pytorch_model"}, {"text_encoder", "model"}}) {
    const std::string file = source + "/" + component + "/" + stem + ".safetensors", out = folder / (std::string(component) + ".safetensors");
    EXPECT_EQ(convert(file, out, {.dtype = "bfloat16"}).format, "safetensors");
    const auto theirs = open_weights_file(file), ours = open_weights_file(out);
    std::vector<std::string> expected = theirs->names();
    std::erase_if(expected, [](const std::string& name) { return name.ends_with("position_ids"); });
    EXPECT_EQ(ours->names(), expected);
    for (const std::string& name : ours->names()) {
      EXPECT_EQ(ours->describe(name)->dtype, DType::bfloat16) << name;
      EXPECT_EQ(ours->describe(name)->shape, theirs->describe(name)->shape) << name;
    }
    EXPECT_ERROR(convert(file, folder / "a.gguf"), unsupported, "a part of a model is written as a .safetensors file alone");
    EXPECT_ERROR(convert(file, folder / "a"), unsupported, "a part of a model");
  }
}

TEST(ConvertModel, RefusesWhatItCannotWrite) {
  const TemporaryFolder folder;
  const std::string source = test_checkpoint("tiny-sd15");
  folder.write("full/file", "x");
  EXPECT_ERROR(convert(source, folder / "full"), invalid_argument, "full", "is there already");
  EXPECT_ERROR(convert(source, folder / "none/b"), io, "none/b", "must exist already");
  EXPECT_ERROR(convert(source, folder / "none/b.safetensors"), io, "none/b.safetensors");
  EXPECT_ERROR(convert(source, folder / "b.ckpt"), unsupported, "pickles are read, but not written");
  EXPECT_ERROR(convert(source, folder / "b", {.dtype = "int4"}), unsupported, "int4", "bfloat16");
  convert(source, folder / "a.safetensors");
  EXPECT_ERROR(convert(folder / "a.safetensors", folder / "b"), not_found, "tokenizer", "--tokenizer DIR");
  EXPECT_ERROR(convert(source, folder / "b", {.should_stop = [] { return true; }}), cancelled, "cancelled");
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"a.safetensors", "full"}));  // nothing of the failures
}

TEST(ConvertModel, AWriteThatFailsNamesTheFolderToBe) {
  const TemporaryFolder folder;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  std::string message;
  try {
    convert(test_checkpoint("tiny-sd15"), folder / "out");
  } catch (const Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(message.starts_with(folder / "out/")) << message;
  EXPECT_TRUE(folder.names().empty());
}

TEST(ConvertModel, AnEmptyFolderMayBeThere) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  convert(test_checkpoint("tiny-sd15"), folder / "a/");
  EXPECT_EQ(drawn(folder / "a"), drawn(test_checkpoint("tiny-sd15")));
}

TEST(ConvertModel, RefusesValuesThatDoNotFit) {
  const TemporaryFolder folder;
  convert(test_checkpoint("tiny-sd15"), folder / "a", {.dtype = "float32"});
  const std::string path = folder / "a/vae/diffusion_pytorch_model.safetensors";
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const float large = 1e5f;
  std::memcpy(bytes.data() + bytes.size() - sizeof large, &large, sizeof large);
  folder.write("a/vae/diffusion_pytorch_model.safetensors", bytes);
  EXPECT_ERROR(convert(folder / "a", folder / "b", {.dtype = "float16"}), unsupported, "holds 100000, which float16 cannot", "bfloat16");
  EXPECT_NO_THROW(convert(folder / "a", folder / "b", {.dtype = "bfloat16"}));
}

TEST(ConvertModel, TellsItsProgress) {
  const TemporaryFolder folder;
  std::vector<std::int64_t> told;
  std::int64_t total = 0;
  const auto progress = [&](std::int64_t done, std::int64_t all) {
    told.push_back(done);
    total = all;
  };
  const ConvertResult result = convert(test_checkpoint("tiny-sd15"), folder / "a", {.on_progress = progress});
  EXPECT_EQ(total, result.bytes);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), total);
}

}  // namespace
}  // namespace impasto::test
