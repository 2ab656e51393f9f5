// A model in a single file: which networks it holds, and where what it does not say about them comes from.
#include <algorithm>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "impasto/hub.h"
#include "models/clip_text.h"
#include "models/derived_config.h"
#include "models/unet.h"
#include "pipelines/found_model.h"
#include "weights/original_layout.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSecondContext = 1024;  // of SD 2.x
constexpr std::int64_t kLargeSide = 96;        // of SD 2.x's latents where it predicts v: 768 pixels

/// What may say more about a file than the file: a folder that was named, the file's own metadata, a folder beside it of the same name.
class Surroundings {
 public:
  Surroundings(const WeightReader& file, const ModelParts& parts) : file_(file), folder_(find_model(parts.config)), named_(!parts.config.empty()) {
    if (named_ && !has_entry((fs::path(folder_) / "unet").string()))
      fail(ErrorKind::not_found, folder_, ": has no folder unet in it; config is a folder in the diffusers layout, with unet/config.json and others");
    const std::string beside = fs::path(file.where()).replace_extension().string();
    if (!named_ && beside != file.where() && has_entry((fs::path(beside) / "model_index.json").string())) folder_ = beside;
  }

  /// Of a network, or the scheduler's; nothing when nobody says it.
  std::optional<JsonObject> config(const char* component, const char* file_name = "config.json") {
    const auto carried = file_.metadata().find(concat("impasto.", component));
    const bool has_folder = !folder_.empty() && has_entry((fs::path(folder_) / component / file_name).string());
    if (has_folder && (named_ || carried == file_.metadata().end())) {
      folder_used_ = true;
      const std::string path = (fs::path(folder_) / component / file_name).string();
      return JsonObject(read_json(path), path);
    }
    if (carried == file_.metadata().end()) return std::nullopt;
    const std::string where = concat(file_.where(), ": metadata ", carried->first);
    return JsonObject(parse_json(carried->second, where), where);
  }

  /// Empty when there is none.
  std::string tokenizer_folder() const {
    const fs::path beside = fs::path(file_.where()).parent_path().empty() ? "." : fs::path(file_.where()).parent_path();
    std::vector<fs::path> places{beside / "tokenizer", beside};
    if (!folder_.empty()) places.insert(places.begin(), {fs::path(folder_) / "tokenizer", fs::path(folder_) / "tokenizer_2"});  // a refiner's
    const auto found = std::find_if(places.begin(), places.end(), [](const fs::path& p) { return has_entry((p / "vocab.json").string()); });
    return found == places.end() ? "" : found->string();
  }

  /// The folder, once a config of it was used.
  std::string used_folder() const { return folder_used_ ? folder_ : ""; }

 private:
  const WeightReader& file_;
  std::string folder_;
  bool named_ = false, folder_used_ = false;
};

struct Prediction {
  std::string type;
  bool said = true;  ///< false: most such models do
};

/// diffusers' from_single_file decides so too: SD 2.x predicts v unless it inpaints, or is the base model, whose training stopped at that step.
Prediction prediction_of(const WeightReader& file, const UNetConfig& unet, bool open_clip) {
  const auto& metadata = file.metadata();
  if (const auto said = metadata.find("modelspec.prediction_type"); said != metadata.end()) {
    if (said->second.starts_with("v")) return {"v_prediction"};
    if (said->second == "epsilon") return {"epsilon"};
  }
  const auto names = file.names();
  if (std::binary_search(names.begin(), names.end(), "v_pred")) return {"v_prediction"};  // an empty tensor, by convention
  if (unet.added_channels > 0 || (!open_clip && unet.context_channels != kSecondContext) || unet.in_channels != unet.out_channels) return {"epsilon"};
  if (const auto step = metadata.find("global_step"); step != metadata.end() && step->second == "875000") return {"epsilon"};
  return {"v_prediction", /*said=*/false};
}

/// The published models': PNDM where the noise is predicted, DDIM where v is, Euler for SDXL.
JsonObject default_scheduler(const std::string& prediction, bool xl, const std::string& where) {
  const char* name = xl ? "EulerDiscreteScheduler" : prediction == "v_prediction" ? "DDIMScheduler" : "PNDMScheduler";
  Json config = {{"_class_name", name},
                 {"beta_start", 0.00085},
                 {"beta_end", 0.012},
                 {"beta_schedule", "scaled_linear"},
                 {"num_train_timesteps", 1000},
                 {"clip_sample", false},
                 {"set_alpha_to_one", false},
                 {"skip_prk_steps", true},
                 {"steps_offset", 1},
                 {"timestep_spacing", "leading"},
                 {"prediction_type", prediction}};
  return {std::move(config), where};
}

/// Fills in the scheduler, and the size of the pictures, which hangs on the prediction where nobody says either.
void add_scheduler(FoundModel& model, const WeightReader& file, Surroundings& around, const FileNetworks& networks, bool derived_unet,
                   const ModelParts& parts) {
  model.scheduler = around.config("scheduler", "scheduler_config.json");
  if (model.scheduler) {
    model.scheduler = amended_scheduler(*model.scheduler, "", is_xl(model.unet));
    return;
  }
  const UNetConfig unet = UNetConfig::parse(*model.unet.config);
  Prediction prediction = prediction_of(file, unet, networks.open_clip);
  if (!parts.prediction_type.empty()) prediction = {parts.prediction_type};
  if (!prediction.said)
    model.warnings.push_back(
        "whether this model of the SD 2.x family predicts v or the noise stands nowhere in the file; v_prediction is assumed, as in most of them; "
        "if pictures come out as noise or blotches, say prediction_type epsilon (--prediction-type epsilon)");
  model.scheduler = default_scheduler(prediction.type, unet.added_channels > 0, file.where());
  const bool large = derived_unet && prediction.type == "v_prediction" && unet.context_channels == kSecondContext;
  if (large) model.unet.config = model.unet.config->with("sample_size", kLargeSide);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) text += (i > 0 ? ", " : "") + in_quotes(names[i], 60);
  return names.size() > 3 ? text + ", ..." : text;
}

void require_networks(const WeightReader& file, const FileNetworks& networks, const ModelParts& parts) {
  if (networks.empty() && file.names().empty()) fail(ErrorKind::unsupported, file.where(), ": holds no tensors");
  if (networks.empty())
    fail(ErrorKind::unsupported, file.where(), ": holds ", file.names().size(),
         " tensors, but none of a Stable Diffusion model's networks (its first are ", listed(file.names()), ")");
  if (networks.unet.empty())
    fail(ErrorKind::unsupported, file.where(), ": holds ", networks.vae.empty() ? "a text encoder" : "a VAE",
         " but no UNet, so it is no model by itself; name it as part of one (", networks.vae.empty() ? "text_encoder: --text-encoder" : "vae: --vae",
         " FILE)");
  if (networks.vae.empty() && parts.vae.empty())
    fail(ErrorKind::bad_file, file.where(), ": holds a UNet but no VAE; name one (vae: --vae FILE_OR_DIR)");
  if (networks.text_encoder.empty() && networks.text_encoder_2.empty() && parts.text_encoder.empty())
    fail(ErrorKind::bad_file, file.where(), ": holds a UNet but no text encoder; name one (text_encoder: --text-encoder FILE_OR_DIR)");
}

}  // namespace

FoundNetwork text_encoder_in(const std::shared_ptr<const WeightReader>& file, NameMap names, bool open_clip, std::optional<JsonObject> config) {
  if (!config) config = derived_text_encoder_config(*renamed_weights(file, names), open_clip);
  const ClipTextConfig parsed = ClipTextConfig::parse(*config);
  keep_layers(names, parsed.layers);
  return {parsed.projection_size > 0 ? "CLIPTextModelWithProjection" : "CLIPTextModel", std::move(config), renamed_weights(file, std::move(names))};
}

namespace {

/// SDXL has two text encoders, its refiner the second alone. OpenCLIP pads with its first token.
void add_texts(FoundModel& model, const std::shared_ptr<const WeightReader>& file, const FileNetworks& networks, Surroundings& around,
               const ModelParts& parts) {
  const bool xl = is_xl(model.unet), second = !networks.text_encoder_2.empty() || (xl && !parts.text_encoder_2.empty());
  if (!networks.text_encoder.empty() || !second || !parts.text_encoder.empty()) {
    model.texts.push_back({"text_encoder", {}, around.tokenizer_folder(), networks.open_clip ? "!" : ""});
    if (parts.text_encoder.empty())
      model.texts.back().network = text_encoder_in(file, networks.text_encoder, networks.open_clip, around.config("text_encoder"));
  }
  if (xl && !second)
    fail(ErrorKind::bad_file, file->where(),
         ": holds a UNet of Stable Diffusion XL but not its second text encoder; name one (text_encoder_2: ", "--text-encoder-2 FILE_OR_DIR)");
  if (xl) {
    model.texts.push_back({kSecondTextEncoder, {}, around.tokenizer_folder(), "!"});
    if (parts.text_encoder_2.empty())
      model.texts.back().network = text_encoder_in(file, networks.text_encoder_2, /*open_clip=*/true, around.config(kSecondTextEncoder));
  }
  model.zeros_for_no_prompt = model.texts.size() > 1;
}

std::string pipeline_class_of(const UNetConfig& unet, const FoundModel& model) {
  const bool inpaints = unet.in_channels > unet.out_channels;
  if (unet.added_channels > 0)
    return inpaints ? "StableDiffusionXLInpaintPipeline" : model.texts.size() == 1 ? "StableDiffusionXLImg2ImgPipeline" : "StableDiffusionXLPipeline";
  if (unet.edits_pictures()) return "StableDiffusionInstructPix2PixPipeline";
  return inpaints ? "StableDiffusionInpaintPipeline" : "StableDiffusionPipeline";
}

}  // namespace

FoundModel find_in_file(const std::string& path, const ModelParts& parts) {
  const std::shared_ptr<const WeightReader> file = open_weights_file(path);
  const FileNetworks networks = find_networks(*file);
  require_networks(*file, networks, parts);
  Surroundings around(*file, parts);
  FoundModel model;
  model.format = file->format();
  model.unet = {"UNet2DConditionModel", around.config("unet"), renamed_weights(file, networks.unet)};
  const bool derived_unet = !model.unet.config;
  if (derived_unet) model.unet.config = derived_unet_config(*model.unet.weights);
  if (parts.vae.empty()) {
    model.vae = {"AutoencoderKL", around.config("vae"), renamed_weights(file, networks.vae)};
    model.vae.derived = !model.vae.config;
    if (model.vae.derived) model.vae.config = derived_vae_config(*model.vae.weights);
  }
  add_texts(model, file, networks, around, parts);
  add_scheduler(model, *file, around, networks, derived_unet, parts);
  if (!around.used_folder().empty()) model.notes.push_back("the configs are those of " + around.used_folder());
  const UNetConfig unet = UNetConfig::parse(*model.unet.config);
  model.pipeline_class = pipeline_class_of(unet, model);
  return model;
}

}  // namespace impasto
