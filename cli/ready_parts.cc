#include "cli/ready_parts.h"

#include <algorithm>
#include <cstdio>

#include "cli/text.h"
#include "impasto/error.h"

namespace impasto::cli {
namespace {

void ready_encoder_of(const std::string& adapter, bool quiet) {
  const auto at = std::min(adapter.find('@'), adapter.size());
  const std::string name = adapter.substr(0, at), revision = adapter.substr(at);
  const auto model_ends = std::min(name.find('/', name.find('/') + 1), name.size()), file_begins = name.rfind('/');
  if (file_begins <= model_ends) return;  // no file, or one at the root, where no published one lies
  const bool small = name.find("vit-h", file_begins) != name.npos;
  const std::string model = name.substr(0, model_ends);
  const std::string folder = (small ? "models" : name.substr(model_ends + 1, file_begins - model_ends - 1)) + "/image_encoder";
  DownloadOptions options;
  options.files = {folder + "/config.json", folder + "/model.safetensors"};
  const auto is_here = [&](const std::string& file) { return cached_model(model + "/" + file + revision).has_value(); };
  if (std::all_of(options.files.begin(), options.files.end(), is_here)) return;
  if (!quiet) std::fprintf(stderr, "Downloading %s\n", printable(model + "/" + folder).c_str());
  try {
    fetch(model + revision, options, quiet);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
  }
}

}  // namespace

void ready_part(const std::string& name, const ModelChoice& with, bool quiet) {
  if (names_model_on_hub(name)) ready_model({.name = name, .verify = with.verify}, quiet);
}

void ready_parts(const ModelParts& parts, const ModelChoice& with, bool quiet) {
  for (const std::string& name : {parts.vae, parts.text_encoder, parts.text_encoder_2, parts.preview_vae, parts.safety_checker})
    ready_part(name, with, quiet);
}

void ready_ip_adapters(const std::vector<IpAdapterFile>& adapters, const ModelChoice& with, bool quiet) {
  for (const IpAdapterFile& adapter : adapters) {
    ready_part(adapter.path, with, quiet);
    ready_part(adapter.image_encoder, with, quiet);
    if (adapter.image_encoder.empty() && names_model_on_hub(adapter.path)) ready_encoder_of(adapter.path, quiet);
  }
}

}  // namespace impasto::cli
