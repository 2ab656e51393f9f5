#include "cli/machine_arguments.h"

#include "cli/arguments.h"

namespace impasto::cli {

void add_parts(CLI::App& app, ModelParts& p) {
  auto* vae = app.add_option("--vae", p.vae, "Another VAE: a file of weights, a folder with config.json and weights, or ORG/NAME on the Hub")
                  ->type_name("PATH");
  auto* text = app.add_option("--text-encoder", p.text_encoder, "Another text encoder, likewise")->type_name("PATH");
  auto* second = app.add_option("--text-encoder-2", p.text_encoder_2, "Another second text encoder, of Stable Diffusion XL")->type_name("PATH");
  auto* tokenizer = app.add_option("--tokenizer", p.tokenizer, "Folder with vocab.json and merges.txt (default: the model's, or beside its file)");
  tokenizer->type_name("DIR");
  auto* config = app.add_option("--config", p.config, "Folder in the diffusers layout whose configs describe a single file's networks");
  config->type_name("DIR");
  auto* prediction = app.add_option(
      "--prediction-type", p.prediction_type,
      "What the UNet predicts: epsilon, v_prediction or sample, where a file does not say it or a folder says it wrong (default: as the model "
      "says)");
  prediction->type_name("NAME");
  for (auto* option : {vae, text, second, tokenizer, config, prediction}) option->group("Model");
}

void add_model(CLI::App& app, const char* names, ModelChoice& model) {
  auto* name =
      app.add_option(names, model.name,
                     "Checkpoint: a folder in the diffusers layout, a single file, or ORG/NAME of a model on the Hub (default: $IMPASTO_MODEL, "
                     "else the built-in model)");
  auto* variant = app.add_option("--variant", model.variant, "Weights to download where MODEL is on the Hub and not here yet: fp16 (half the bytes)");
  auto* verify = app.add_flag("--verify", model.verify, "Compare the files of a model of the Hub with their published hashes before they are used");
  name->type_name("MODEL");
  variant->type_name("NAME");
  for (auto* option : {name, variant, verify}) option->group("Model");
}

void add_machine(CLI::App& app, ModelChoice& model, LoadOptions& load) {
  add_model(app, "-m,--model", model);
  add_parts(app, load.parts);
  auto* device = app.add_option("--device", load.device,
                                "Where to compute: auto (a GPU where there is one, else the CPU), cpu, cuda, cuda:1 for the second GPU, or one "
                                "for each network, as in unet=cuda,vae=cpu,text_encoder=cpu (default: $IMPASTO_DEVICE, else auto)")
                     ->type_name("NAME");
  auto* dtype =
      app.add_option("--dtype", load.dtype,
                     "Arithmetic: auto; on a CPU float32, float16 (about 1.5 times as fast where there is AVX512-FP16, the same elsewhere) or "
                     "bfloat16 (faster on AMD with AVX-512 BF16, slower on Intel without AMX), on a GPU float16 or bfloat16; or one for each "
                     "network, as in unet=bfloat16 (default auto: the first of these)");
  dtype->type_name("NAME");
  auto* threads = add_integer(app, "-t,--threads", load.num_threads, "Threads; never changes the picture (default: one per core)");
  auto* mapped = app.add_flag("--mmap", load.map_weights,
                              "Use the weights where the files are mapped, not a copy in memory: processes share them; "
                              "a file that another program cuts short meanwhile ends this one");
  auto* low = app.add_flag("--low-memory", load.low_memory, "Hold one network at a time, read when it is needed");
  for (auto* option : {device, dtype, threads, mapped, low}) option->group("Machine");
}

}  // namespace impasto::cli
