// Models in a single file: the same latents, bit for bit, as from the folder that the weights came from.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include "impasto/hub.h"
#include "impasto/pipeline.h"
#include "support/checkpoint_copy.h"
#include "support/environment.h"
#include "support/expect_error.h"
#include "support/single_file.h"
#include "support/temporary_folder.h"
#include "weights/make_torch.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Two steps, guided.
std::vector<float> drawn(const std::string& path, const LoadOptions& load = {}) {
  const Pipeline pipeline = Pipeline::load(path, load);
  InpaintOptions o;
  o.prompt = "a red fox!";
  o.num_inference_steps = 2;
  o.seed = 3;
  o.image = {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 100)};
  o.mask_image = {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 255)};
  return (pipeline.info().inpainting ? pipeline.inpaint(o) : pipeline.text_to_image(o)).latents.values;
}

LoadOptions described_by(const std::string& checkpoint) { return {.parts = {.config = test_checkpoint(checkpoint)}}; }

class SingleFileOf : public ::testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder_;
  const std::string checkpoint_ = GetParam();
  const std::string file_ = folder_ / "model.bin";  // told by its content
};

TEST_P(SingleFileOf, DrawsAsItsFolderDoes) {
  write_single_file(checkpoint_, file_);
  const std::vector<float> expected = drawn(test_checkpoint(checkpoint_));
  LoadOptions load = described_by(checkpoint_);
  EXPECT_EQ(drawn(file_, load), expected);
  load.map_weights = true;
  EXPECT_EQ(drawn(file_, load), expected);
  load.low_memory = true;
  EXPECT_EQ(drawn(file_, load), expected);
}

TEST_P(SingleFileOf, TakesConfigsAndTokenizerFromTheFolderBesideItOfItsName) {
  fs::copy(test_checkpoint(checkpoint_), folder_ / "model", fs::copy_options::recursive);
  fs::remove_all(folder_ / "model/unet/diffusion_pytorch_model.safetensors");  // its weights are not looked at
  write_single_file(checkpoint_, file_);
  EXPECT_EQ(drawn(file_), drawn(test_checkpoint(checkpoint_)));
  ASSERT_EQ(inspect(file_).notes.size(), 1u);
  EXPECT_TRUE(has(inspect(file_).notes[0], folder_ / "model"));
}

TEST_P(SingleFileOf, IsDescribed) {
  write_single_file(checkpoint_, file_);
  const ModelInfo info = inspect(file_, described_by(checkpoint_).parts), folder = inspect(test_checkpoint(checkpoint_));
  EXPECT_EQ(info.format, "safetensors");
  EXPECT_EQ(info.pipeline_class, folder.pipeline_class);
  EXPECT_EQ(info.inpainting, folder.inpainting);
  EXPECT_EQ(info.prediction_type, folder.prediction_type);
  EXPECT_EQ(info.scheduler, folder.scheduler);
  ASSERT_EQ(info.components.size(), folder.components.size());
  for (std::size_t i = 0; i < info.components.size(); ++i) {
    EXPECT_EQ(info.components[i].parameters, folder.components[i].parameters) << info.components[i].name;  // a spare layer is not counted
    EXPECT_EQ(info.components[i].dtypes, folder.components[i].dtypes);
  }
}

TEST_P(SingleFileOf, DrawsFromAPickleAsItsFolderDoes) {
  write_single_file(checkpoint_, file_, {.foreign_tensors = false});
  folder_.write("model.ckpt", torch_zip_of(*open_weights_file(file_)));
  EXPECT_EQ(drawn(folder_ / "model.ckpt", described_by(checkpoint_)), drawn(test_checkpoint(checkpoint_)));
  EXPECT_EQ(inspect(folder_ / "model.ckpt", described_by(checkpoint_).parts).format, "PyTorch pickle (zip)");
}

TEST_P(SingleFileOf, ItsFolderMayHoldPickles) {
  const CheckpointCopy copy(checkpoint_);
  for (const std::string part : {"unet", "vae", "text_encoder", "text_encoder_2"}) {
    if (!fs::exists(copy.path(part))) continue;
    const bool text = part.starts_with("text_encoder");
    const std::string pickles = torch_zip_of(*open_weights(copy.path(part), text ? "model" : "diffusion_pytorch_model"));
    for (const auto& entry : fs::directory_iterator(copy.path(part)))
      if (entry.path().filename() != "config.json") fs::remove(entry.path());
    copy.overwrite(part + (text ? "/pytorch_model.bin" : "/diffusion_pytorch_model.bin"), pickles);
  }
  EXPECT_EQ(drawn(copy.path()), drawn(test_checkpoint(checkpoint_)));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, SingleFileOf, ::testing::Values("tiny-sd15", "tiny-sd21", "tiny-inpaint", "tiny-sdxl", "tiny-sdxl-refiner"),
                         [](const auto& info) {
                           std::string name = std::string(info.param).substr(5);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// tiny-sd15 in a file, changed.
class SingleFileModel : public ::testing::Test {
 protected:
  std::string write(const SingleFile& changes, const std::string& checkpoint = "tiny-sd15") const {
    write_single_file(checkpoint, folder_ / "model.safetensors", changes);
    return folder_ / "model.safetensors";
  }
  /// Names as they are without `prefix` in front.
  static SingleFile without_prefix(const std::string& prefix) {
    return {.rename = [=](const std::string& name) { return name.starts_with(prefix) ? name.substr(prefix.size()) : name; }};
  }
  /// Only what begins with `prefix`, without it.
  static SingleFile only(const std::string& prefix) {
    return {.rename = [=](const std::string& name) { return name.starts_with(prefix) ? name.substr(prefix.size()) : ""; }, .foreign_tensors = false};
  }
  static SingleFile all_but(const std::string& prefix) {
    return {.rename = [=](const std::string& name) { return name.starts_with(prefix) ? "" : name; }};
  }

  TemporaryFolder folder_;
  const LoadOptions load_ = described_by("tiny-sd15");
};

TEST_F(SingleFileModel, TextEncoderMayLackItsPrefix) {
  const std::string root = "cond_stage_model.transformer.";
  const auto rename = [&](const std::string& name) { return name.starts_with(root + "text_model.") ? root + name.substr(root.size() + 11) : name; };
  EXPECT_EQ(drawn(write({.rename = rename}), load_), drawn(test_checkpoint("tiny-sd15")));
}

TEST_F(SingleFileModel, TakesAVaeAndATextEncoderFromElsewhere) {
  const std::vector<float> expected = drawn(test_checkpoint("tiny-sd15"));
  const std::string file = write(all_but("first_stage_model."));
  EXPECT_ERROR(inspect(file, load_.parts), bad_file, "no VAE", "--vae");
  LoadOptions load = load_;
  for (const std::string& vae : {test_checkpoint("tiny-sd15"), test_checkpoint("tiny-sd15") + "/vae",
                                 test_checkpoint("tiny-sd15") + "/vae/diffusion_pytorch_model.safetensors"}) {
    load.parts.vae = vae;
    EXPECT_EQ(drawn(file, load), expected) << vae;
  }
  const std::string unet = write(only("model.diffusion_model."));
  EXPECT_ERROR(inspect(unet, load.parts), bad_file, "no text encoder", "--text-encoder");
  for (const char* text : {"", "/text_encoder", "/text_encoder/model.safetensors"}) {
    load.parts.text_encoder = test_checkpoint("tiny-sd15") + text;
    EXPECT_EQ(drawn(unet, load), expected) << text;
  }
}

TEST_F(SingleFileModel, APartAloneInOriginalNamesServesAsOne) {
  fs::create_directories(folder_ / "vae");
  write_single_file("tiny-sd15", folder_ / "vae/vae.pt", only("first_stage_model."));
  fs::copy(test_checkpoint("tiny-sd15") + "/vae/config.json", folder_ / "vae/config.json");
  EXPECT_ERROR(inspect(folder_ / "vae/vae.pt"), unsupported, "a VAE but no UNet", "--vae");
  LoadOptions load;
  load.parts.vae = folder_ / "vae/vae.pt";
  EXPECT_EQ(drawn(test_checkpoint("tiny-sd15"), load), drawn(test_checkpoint("tiny-sd15")));
  load.parts.text_encoder = folder_ / "vae/vae.pt";
  EXPECT_ERROR(drawn(test_checkpoint("tiny-sd15"), load), bad_file, "holds no text_encoder");
}

TEST_F(SingleFileModel, ATextEncoderInOpenClipsNamesServesAsOne) {
  fs::create_directories(folder_ / "text");
  write_single_file("tiny-sd21", folder_ / "text/open_clip.bin", only("cond_stage_model.model."));
  fs::copy(test_checkpoint("tiny-sd21") + "/text_encoder/config.json", folder_ / "text/config.json");
  const LoadOptions load{.parts = {.text_encoder = folder_ / "text/open_clip.bin"}};
  EXPECT_EQ(drawn(test_checkpoint("tiny-sd21"), load), drawn(test_checkpoint("tiny-sd21")));
}

TEST_F(SingleFileModel, PredictionTypeCanBeSaid) {
  const std::string file = write({}, "tiny-sd21");
  LoadOptions load = described_by("tiny-sd21");
  const auto v = drawn(file, load);
  load.parts.prediction_type = "epsilon";
  EXPECT_EQ(inspect(file, load.parts).prediction_type, "epsilon");
  EXPECT_NE(drawn(file, load), v);
  EXPECT_EQ(drawn(test_checkpoint("tiny-sd21"), {.parts = {.prediction_type = "epsilon"}}), drawn(file, load));
  load.parts.prediction_type = "noise";
  EXPECT_ERROR(inspect(file, load.parts), invalid_argument, "prediction_type", "noise", "v_prediction");
}

TEST_F(SingleFileModel, SaysHowToNameATokenizer) {
  NoHubVariables variables;
  variables.set("HF_HOME", (folder_ / "home").c_str());
  write_single_file("tiny-sd15", folder_ / "model.safetensors");
  LoadOptions load = load_;
  fs::create_directories(folder_ / "configs");
  for (const char* part : {"unet", "vae", "text_encoder"})
    fs::copy(test_checkpoint("tiny-sd15") + "/" + part, folder_ / ("configs/" + std::string(part)), fs::copy_options::recursive);
  load.parts.config = folder_ / "configs";
  EXPECT_NO_THROW(inspect(folder_ / "model.safetensors", load.parts));
  EXPECT_ERROR(drawn(folder_ / "model.safetensors", load), not_found, "tokenizer", "beside it", "--tokenizer DIR");

  const auto expected = drawn(test_checkpoint("tiny-sd15"));
  for (const char* named : {"", "/tokenizer"}) {
    load.parts.tokenizer = test_checkpoint("tiny-sd15") + named;
    EXPECT_EQ(drawn(folder_ / "model.safetensors", load), expected);
  }
  load.parts.tokenizer.clear();
  fs::copy(test_checkpoint("tiny-sd15") + "/tokenizer", folder_ / "tokenizer");
  EXPECT_EQ(drawn(folder_ / "model.safetensors", load), expected);
  fs::copy(folder_ / "tokenizer", folder_.path());
  fs::remove_all(folder_ / "tokenizer");
  EXPECT_EQ(drawn(folder_ / "model.safetensors", load), expected);

  const std::string cached = folder_ / "home/hub/models--openai--clip-vit-large-patch14";
  EXPECT_EQ(inspect(folder_ / "model.safetensors", load.parts).tokenizer, folder_.path());
  for (const char* file : {"vocab.json", "merges.txt"}) {
    EXPECT_FALSE(cached_tokenizer());
    fs::create_directories(cached + "/snapshots/" + std::string(40, 'c'));
    fs::rename(folder_ / file, cached + "/snapshots/" + std::string(40, 'c') + "/" + file);
    folder_.write("home/hub/models--openai--clip-vit-large-patch14/refs/main", std::string(40, 'c'));
  }
  EXPECT_EQ(inspect(folder_ / "model.safetensors", load.parts).tokenizer, cached + "/snapshots/" + std::string(40, 'c'));
  EXPECT_EQ(drawn(folder_ / "model.safetensors", load), expected);
}

TEST_F(SingleFileModel, ShapesThatWereNeverPublishedNeedConfigs) {
  EXPECT_ERROR(inspect(write({})), unsupported, "UNet has 8 channels", "--config DIR");
  EXPECT_ERROR(inspect(write({}), {.config = "/no/such/folder"}), not_found, "/no/such/folder", "config");
  const ModelInfo info = inspect(write({}), {.config = test_checkpoint("tiny-sd15")});
  EXPECT_EQ(info.width, 96);
}

TEST_F(SingleFileModel, OtherKindsOfFilesAreCalledByTheirName) {
  const auto named = [&](const std::string& name) {
    return write({.rename =
                      [=](const std::string&) {
                        static int n = 0;
                        return name + std::to_string(n++);
                      },
                  .foreign_tensors = false});
  };
  EXPECT_ERROR(inspect(named("double_blocks.0.")), unsupported, "Flux");
  EXPECT_ERROR(inspect(named("lora_unet_down.")), unsupported, "a LoRA");
  EXPECT_ERROR(inspect(named("layer.")), unsupported, "none of a Stable Diffusion model's networks", "layer.");
  EXPECT_ERROR(inspect(folder_.write("text.safetensors", "hello, this is no model")), bad_file, "is a text; supported are");
  EXPECT_ERROR(inspect(folder_.write("empty.safetensors", "")), bad_file, "is empty");
  EXPECT_ERROR(inspect(folder_.write("none.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10))), unsupported, "holds no tensors");
  EXPECT_ERROR(inspect(folder_.path()), not_found, "did you mean", "model.safetensors");
  folder_.write("pytorch_lora_weights.safetensors", "");
  EXPECT_ERROR(inspect(folder_.path()), not_found, "pytorch_lora_weights.safetensors", "goes with a model");
}

TEST_F(SingleFileModel, TwoNamesOfOneTensorAreRefused) {
  const std::string key = "cond_stage_model.transformer.text_model.final_layer_norm.bias";
  const auto rename = [&](const std::string& name) {
    return name == "cond_stage_model.transformer.text_model.final_layer_norm.weight" ? "cond_stage_model.transformer.final_layer_norm.bias" : name;
  };
  EXPECT_ERROR(inspect(write({.rename = rename}), load_.parts), bad_file, key, "are both the tensor", "\"final_layer_norm.bias\"");
}

}  // namespace
}  // namespace impasto::test
