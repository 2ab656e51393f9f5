// Pipelines with adapters against diffusers and PEFT.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "adapters/lora_maker.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"
#include "support/temporary_folder.h"
#include "weights/make_torch.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

std::string adapter(const std::string& name) { return std::string(IMPASTO_TEST_DATA "/adapters/") + name + ".safetensors"; }

/// The case's adapters; those of the larger collection say theirs in the case's name: adapters/lora_kohya_0.6.
std::vector<Lora> loras_of(const GoldenCase& golden) {
  std::vector<Lora> loras;
  if (golden.settings().contains("loras")) {
    for (const Json& use : golden.settings().at("loras")) loras.push_back({adapter(use.at(0)), use.at(1).get<float>()});
  } else if (const std::string name = golden.name(); name.starts_with("adapters/lora_")) {
    const auto file = name.find('/') + 1, scale = name.rfind('_');
    loras.push_back({golden.checkpoint("adapters") + "/" + name.substr(file, scale - file) + ".safetensors", std::stof(name.substr(scale + 1))});
  }
  return loras;
}

TextToImageOptions quick(const char* prompt = "a red boat") {
  TextToImageOptions o;
  o.prompt = prompt, o.seed = 4, o.num_inference_steps = 2, o.height = o.width = 64;
  return o;
}

TEST(Lora, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("adapters")) {
    const std::vector<Lora> loras = loras_of(golden);
    if (loras.empty()) continue;
    const Pipeline pipeline = Pipeline::load(golden.checkpoint()).with_loras(loras);
    expect_result(golden, pipeline.text_to_image(options_of<TextToImageOptions>(golden)));
    ++cases;
  }
  EXPECT_GE(cases, 8);
}

TEST(Lora, FilesOfTorchSaveAreTheSame) {
  const TemporaryFolder folder;
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto stored = open_weights_file(adapter("lora_peft"));
  const auto expected = pipeline.with_loras({{adapter("lora_peft"), 0.7f}}).text_to_image(quick()).latents.values;
  EXPECT_NE(expected, pipeline.text_to_image(quick()).latents.values);
  for (const std::string& file : {folder.write("ink.pt", torch_zip_of(*stored)), folder.write("ink.bin", torch_legacy_of(*stored))})
    EXPECT_EQ(pipeline.with_loras({{file, 0.7f}}).text_to_image(quick()).latents.values, expected) << file;
  std::filesystem::rename(folder / "ink.bin", folder / "pytorch_lora_weights.bin");
  EXPECT_EQ(pipeline.with_loras({{folder.path(), 0.7f}}).text_to_image(quick()).latents.values, expected) << "in a folder";
}

/// tests/data's table of names: ours, each with the original repository's.
std::map<std::string, std::string> original_names() {
  std::map<std::string, std::string> names;
  std::ifstream table(IMPASTO_TEST_DATA "/single_files/tiny-sd15.tsv");
  for (std::string original, part, ours; table >> original >> part >> ours;)
    if (part == "unet") names[ours] = original.substr(std::string("model.diffusion_model.").size());
  return names;
}

std::string flat(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

/// The file with its UNet's modules under the original repository's names, as kohya-ss writes them for it.
std::string with_original_names(const TemporaryFolder& folder, const std::string& file) {
  const auto reader = open_safetensors(file);
  std::map<std::string, std::string> modules;
  for (const auto& [ours, original] : original_names())
    if (ours.ends_with(".weight")) modules[flat(ours.substr(0, ours.size() - 7))] = flat(original.substr(0, original.size() - 7));
  std::string header, data;
  int renamed = 0;
  for (const std::string& name : reader->names()) {
    const TensorView view = reader->find(name);
    const std::string module = name.substr(0, name.find('.'));
    const auto original = module.starts_with("lora_unet_") ? modules.find(module.substr(10)) : modules.end();
    const std::string called = original == modules.end() ? name : "lora_unet_" + original->second + name.substr(module.size());
    renamed += called != name;
    header += (header.empty() ? "{" : ",") +
              record(called, view.dtype == DType::float16 ? "F16" : "F32", view.shape.to_string(), data.size(), data.size() + view.bytes());
    data.append(view.as<char>(), view.bytes());
  }
  EXPECT_GT(renamed, 50);
  return folder.write("original.safetensors", make_safetensors(header + "}", data));
}

TEST(Lora, OriginalNamesMeanTheSameAsDiffusers) {
  const TemporaryFolder folder;
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto draw = [&](const std::string& file) { return plain.with_loras({{file}}).text_to_image(quick()); };
  for (const std::string name : {"lora_kohya", "loha"}) {  // attention alone; convolutions, too
    const TextToImageResult result = draw(with_original_names(folder, adapter(name)));
    EXPECT_EQ(result.latents.values, draw(adapter(name)).latents.values) << name;
    EXPECT_TRUE(result.warnings.empty()) << name;
  }
}

TEST(Lora, AModuleUnderBothNamesIsRefused) {
  const TemporaryFolder folder;
  const auto pair = [](const std::string& module) {
    return std::map<std::string, Values>{{"lora_unet_" + module + ".lora_down.weight", {{1, 32}, std::vector<float>(32, 1)}},
                                         {"lora_unet_" + module + ".lora_up.weight", {{8, 1}, std::vector<float>(8, 1)}}};
  };
  auto both = pair("down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k");
  both.merge(pair("input_blocks_1_1_transformer_blocks_0_attn2_to_k"));
  EXPECT_ERROR(Pipeline::load(test_checkpoint("tiny-sd15")).with_loras({{write_lora(folder, both)}}), bad_file, "twice", "input_blocks_1_1");
}

TEST(Lora, LeavesThePipelineItWasAttachedToAsItWas) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto before = plain.text_to_image(quick()).latents.values;
  const Pipeline changed = plain.with_loras({{adapter("lora_kohya")}});
  EXPECT_NE(changed.text_to_image(quick()).latents.values, before);
  EXPECT_EQ(plain.text_to_image(quick()).latents.values, before);
  EXPECT_EQ(changed.with_loras({}).text_to_image(quick()).latents.values, before);
  EXPECT_EQ(changed.with_loras({{adapter("lora_peft")}}).text_to_image(quick()).latents.values,
            plain.with_loras({{adapter("lora_peft")}}).text_to_image(quick()).latents.values);
}

TEST(Lora, TextEncoderHasAScaleOfItsOwn) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto draw = [&](const Lora& lora) { return plain.with_loras({lora}).text_to_image(quick()).latents.values; };
  const auto both = draw({adapter("lora_kohya"), 0.5f}), same = draw({adapter("lora_kohya"), 0.5f, 0.5f}),
             unet = draw({adapter("lora_kohya"), 0.5f, 0.f});
  EXPECT_EQ(both, same);
  EXPECT_NE(both, unet);
  EXPECT_EQ(draw({adapter("lora_kohya"), 0.f}), plain.text_to_image(quick()).latents.values);
}

TEST(Lora, LowMemoryDrawsTheSame) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), small = Pipeline::load(test_checkpoint("tiny-sd15"), {.low_memory = true});
  EXPECT_EQ(plain.with_loras({{adapter("lora_kohya")}}).text_to_image(quick()).latents.values,
            small.with_loras({{adapter("lora_kohya")}}).text_to_image(quick()).latents.values);
}

TEST(Lora, ForAnotherModelIsRefusedNamingTheLayer) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  EXPECT_ERROR(pipeline.with_loras({{adapter("lora_other")}}), bad_file, "made for another model", "lora_other", "128 of the 128 layers",
               "attn1_to_k.lora_");
  EXPECT_ERROR(pipeline.with_loras({{adapter("none")}}), not_found, "none");
  EXPECT_ERROR(pipeline.with_loras({{test_checkpoint("tiny-sd15") + "/unet/diffusion_pytorch_model.safetensors"}}), bad_file, "not a LoRA");
  EXPECT_ERROR(pipeline.with_loras({{adapter("lora_kohya"), std::nanf("")}}), invalid_argument, "scale");
}

TEST(Lora, ThatIsTooStrongIsBlamedForLatentsThatAreNoNumbers) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15")).with_loras({{adapter("lora_kohya"), 1e30f}});
  EXPECT_ERROR(pipeline.text_to_image(quick()), non_finite, "lora_kohya", "smaller scales of the adapters");
}

TEST(Lora, ThatFitsInPartWarnsInEachResult) {
  const TemporaryFolder folder;
  const Values none{{24, 24}, std::vector<float>(24 * 24)};
  const std::string path =
      write_lora(folder, {{"lora_unet_mid_block_attentions_0_proj_in.diff", none}, {"lora_unet_other_layer.diff", none}, {"extra", none}});
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const TextToImageResult result = plain.with_loras({{path}}).text_to_image(quick());
  ASSERT_EQ(result.warnings.size(), 2u);
  EXPECT_NE(result.warnings[0].find("1 of the 2 layers"), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[0].find("other_layer"), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[1].find("extra"), std::string::npos) << result.warnings[1];
  EXPECT_EQ(result.latents.values, plain.text_to_image(quick()).latents.values);
}

}  // namespace
}  // namespace impasto::test
