// infotext: A1111's words in A1111's order, read back with A1111's regular expression.
#include <map>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12 warns about std::regex itself under sanitizers
#include <regex>

#include <gtest/gtest.h>

#include "core/json.h"
#include "impasto/error.h"
#include "impasto/metadata.h"

namespace impasto {
namespace {

struct Drawn {
  TextToImageOptions options;
  TextToImageResult result;
  ModelInfo model;

  Drawn() {
    options.prompt = "a cat";
    options.num_inference_steps = 20;
    options.guidance_scale = 7;
    result.seeds = {1, 18446744073709551615u};
    result.scheduler = "DPMSolverMultistepScheduler";
    result.karras_sigmas = true;
    result.width = 512;
    result.height = 768;
    model.path = "/models/v1-5-pruned/";
  }
  std::string text(int index = 0) const { return infotext(options, result, model, index); }
};

/// The last line as A1111 reads it, by the same regular expression.
std::map<std::string, std::string> parse(const std::string& text) {
  static const std::regex field(R"re(\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$))re");
  const std::string line = text.substr(text.rfind('\n') + 1);
  std::map<std::string, std::string> fields;
  for (std::sregex_iterator it(line.begin(), line.end(), field), end; it != end; ++it) {
    std::string value = (*it)[2];
    if (!value.empty() && value.front() == '"') value = Json::parse(value).get<std::string>();
    fields[(*it)[1]] = value;
  }
  return fields;
}

TEST(Infotext, HasA1111sKeysInA1111sOrder) {
  EXPECT_EQ(Drawn().text(),
            "a cat\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, Model: v1-5-pruned, RNG: CPU, "
            "Version: impasto " +
                version());
}

TEST(Infotext, OtherTasksAddWhatA1111Adds) {
  const Drawn d;
  InpaintOptions options;
  static_cast<TextToImageOptions&>(options) = d.options;
  options.strength = 0.75;
  const auto line = [](const std::string& text) { return text.substr(text.find("Model: ")); };
  const std::string version_field = "Version: impasto " + version();
  EXPECT_EQ(line(infotext(static_cast<const ImageToImageOptions&>(options), d.result, d.model, 0)),
            "Model: v1-5-pruned, Denoising strength: 0.75, RNG: CPU, " + version_field);
  EXPECT_EQ(line(infotext(options, d.result, d.model, 0)),
            "Model: v1-5-pruned, Denoising strength: 0.75, RNG: CPU, Mask mode: Inpaint masked, " + version_field);
  options.keep_unmasked = false;
  options.clip_skip = 1;
  options.invert_mask = true;
  options.mask_blur = 4;
  options.inpaint_area = InpaintArea::masked;
  EXPECT_EQ(line(infotext(options, d.result, d.model, 0)),
            "Model: v1-5-pruned, Denoising strength: 0.75, Clip skip: 2, RNG: CPU, Mask mode: Inpaint not masked, Mask blur: 4, "
            "Inpaint area: Only masked, Masked area padding: 32, Keep unmasked: false, " +
                version_field);
}

TEST(Infotext, SaysEverythingThatWasSet) {
  Drawn d;
  d.options.negative_prompt = "dogs, blur";
  d.options.guidance_scale = 7.25F;
  d.options.clip_skip = 1;
  d.options.guidance_rescale = 0.7F;
  d.options.eta = 0.5F;
  d.result.scheduler = "DDIMScheduler";
  d.result.karras_sigmas = false;
  EXPECT_EQ(d.text(1),
            "a cat\nNegative prompt: dogs, blur\nSteps: 20, Sampler: DDIM, CFG scale: 7.25, Seed: 18446744073709551615, Size: 512x768, "
            "Model: v1-5-pruned, Clip skip: 2, RNG: CPU, Eta DDIM: 0.5, CFG Rescale: 0.7, Version: impasto " +
                version());
}

TEST(Infotext, SyntaxIsSaidWhereItIsNotPlain) {
  Drawn d;
  d.options.prompt_syntax = PromptSyntax::a1111;
  EXPECT_NE(d.text().find("Model: v1-5-pruned, Prompt syntax: a1111, RNG: CPU"), std::string::npos) << d.text();
}

TEST(Infotext, VariationsAreSaidWhereA1111SaysThem) {
  Drawn d;
  d.result.seeds = {1, 1};
  d.result.variation_seeds = {7, 8};
  d.options.variation_strength = 0.3F;
  EXPECT_NE(d.text(1).find("Model: v1-5-pruned, Variation seed: 8, Variation seed strength: 0.3, RNG: CPU"), std::string::npos) << d.text(1);
  InpaintOptions after;
  EXPECT_TRUE(apply_infotext(parse_infotext(d.text(1)), after).empty());
  EXPECT_EQ(after.variation_seed, 8u);
  EXPECT_EQ(after.variation_strength, 0.3F);
}

TEST(Infotext, EtaIsLeftOutWhereItDoesNothing) {
  Drawn d;
  d.options.eta = 1;
  EXPECT_EQ(d.text().find("Eta"), std::string::npos);
}

TEST(Infotext, SamplersHaveA1111sNames) {
  const std::vector<std::array<std::string, 3>> table = {
      {"PNDMScheduler", "", "Sampler: PLMS, CFG"},
      {"DDIMScheduler", "", "Sampler: DDIM, CFG"},
      {"DDPMScheduler", "", "Sampler: DDPM, CFG"},
      {"EulerDiscreteScheduler", "euler", "Sampler: Euler, Schedule type: Uniform, CFG"},
      {"EulerAncestralDiscreteScheduler", "", "Sampler: Euler a, Schedule type: Uniform, CFG"},
      {"DPMSolverMultistepScheduler", "dpm++_2m", "Sampler: DPM++ 2M, Schedule type: Uniform, CFG"},
      {"DPMSolverMultistepScheduler", "dpm++_2m_sde", "Sampler: DPM++ 2M SDE, Schedule type: Uniform, CFG"},
      {"HeunDiscreteScheduler", "", "Sampler: Heun, Schedule type: Uniform, CFG"},
      {"LMSDiscreteScheduler", "", "Sampler: LMS, Schedule type: Uniform, CFG"},
      {"UniPCMultistepScheduler", "", "Sampler: UniPC, CFG"},
      {"LCMScheduler", "", "Sampler: LCM, CFG"},
      {"BrandNewScheduler", "", "Sampler: BrandNewScheduler, CFG"},
  };
  Drawn d;
  d.result.karras_sigmas = false;
  for (const auto& [class_name, short_name, expected] : table) {
    d.result.scheduler = class_name;
    d.options.scheduler = short_name;
    EXPECT_NE(d.text().find(expected), std::string::npos) << d.text();
  }
}

TEST(Infotext, KarrasIsNotSaidOfSamplersThatIgnoreIt) {
  Drawn d;
  for (const auto& [class_name, karras] : {std::pair{"DDIMScheduler", false},
                                           {"PNDMScheduler", false},
                                           {"LCMScheduler", false},
                                           {"UniPCMultistepScheduler", true},
                                           {"LMSDiscreteScheduler", true}}) {
    d.result.scheduler = class_name;
    EXPECT_EQ(d.text().find("Schedule type: Karras") != std::string::npos, karras) << d.text();
  }
}

TEST(Infotext, OtherSchedulesHaveA1111sNames) {
  Drawn d;
  d.result.karras_sigmas = false;
  for (const auto& [schedule, name] : {std::pair{"exponential", "Exponential"}, {"beta", "Beta"}, {"trailing", "SGM Uniform"}, {"", "Uniform"}}) {
    d.result.schedule = schedule;
    EXPECT_EQ(parse(d.text()).at("Schedule type"), name);
  }
  d.options.scheduler = "DPM++ 2M SDE Exponential";
  EXPECT_EQ(parse(d.text()).at("Sampler"), "DPM++ 2M SDE");
  d.result.scheduler = "DDIMScheduler";
  EXPECT_EQ(parse(d.text()).count("Schedule type"), 0u);
  d.result.schedule = "trailing";
  EXPECT_EQ(parse(d.text()).at("Schedule type"), "SGM Uniform");
}

TEST(Infotext, NumbersHaveNoTrailingZerosAndReadBack) {
  Drawn d;
  for (const auto& [value, text] :
       {std::pair{7.0F, "7"}, {7.5F, "7.5"}, {0.1F, "0.1"}, {1.0F, "1"}, {12.345F, "12.345"}, {0.0F, "0"}, {100.0F, "100"}}) {
    d.options.guidance_scale = value;
    EXPECT_EQ(parse(d.text()).at("CFG scale"), text);
  }
}

TEST(Infotext, ValuesWithSeparatorsAreQuotedAndReadBack) {
  Drawn d;
  for (const std::string name : {"a, b", "a: b", "with \"quotes\", and \\", "caf\u00e9, \u732b", "line\nbreak"}) {
    d.model.path = "/m/" + name;
    const auto fields = parse(d.text());
    EXPECT_EQ(fields.at("Model"), name);
    EXPECT_EQ(fields.at("RNG"), "CPU");
  }
  d.model.path = "/m/plain \"quotes\" stay";
  EXPECT_NE(d.text().find("Model: plain \"quotes\" stay, RNG"), std::string::npos);
}

TEST(Infotext, ModelIsNamedAfterItsFolderOrItsRepository) {
  Drawn d;
  for (const auto& [path, name] : {std::pair{"/m/sd", "sd"},
                                   {"sd", "sd"},
                                   {"/m/sd//", "sd"},
                                   {"./sd/.", "sd"},
                                   {"/m/x.safetensors", "x.safetensors"},
                                   {"/c/models--org--stable-diffusion-v1-5/snapshots/451f4fe1", "stable-diffusion-v1-5"},
                                   {"/c/snapshots/abc", "abc"}}) {
    d.model.path = path;
    EXPECT_EQ(parse(d.text()).at("Model"), name) << path;
  }
  d.model.path = "";
  EXPECT_EQ(parse(d.text()).count("Model"), 0u);
}

TEST(Infotext, LinesOfThePromptAreKeptAndItsEndsTrimmed) {
  Drawn d;
  d.options.prompt = "  one\ntwo, three: four\n";
  EXPECT_EQ(d.text().rfind("one\ntwo, three: four\n\nSteps: 20", 0), 0u) << d.text();
  d.options.prompt = "";
  EXPECT_EQ(d.text().rfind("Steps: 20", 0), 0u);
  d.options.negative_prompt = "x";
  EXPECT_EQ(d.text().rfind("Negative prompt: x\nSteps: 20", 0), 0u);
}

TEST(Infotext, NulIsLeftOutSoThatThePngCanHoldTheText) {
  Drawn d;
  d.options.prompt = std::string("a\0cat", 5);
  EXPECT_EQ(d.text().rfind("acat\n", 0), 0u);
}

TEST(Infotext, RefusesAnImageThatIsNotThere) {
  for (const int index : {-1, 2}) {
    try {
      Drawn().text(index);
      ADD_FAILURE() << index;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    }
  }
}

}  // namespace
}  // namespace impasto
