#include "adapters/lora_file.h"

#include <algorithm>

#include "core/fail.h"
#include "core/quote.h"
#include "weights/original_writer.h"

namespace impasto {
namespace {

/// Flattened names of the original repository, each with ours.
std::map<std::string, std::string, std::less<>> original_modules(const std::vector<std::string>& unet) {
  constexpr std::string_view kPrefix = "model.diffusion_model.", kWeight = ".weight";
  std::map<std::string, std::string, std::less<>> modules;
  for (const OriginalTensor& tensor : original_unet(unet)) {
    const std::string &original = tensor.name, &ours = tensor.parts.front();
    if (!original.ends_with(kWeight)) continue;
    modules.emplace(flattened(std::string_view(original).substr(kPrefix.size(), original.size() - kPrefix.size() - kWeight.size())),
                    flattened(std::string_view(ours).substr(0, ours.size() - kWeight.size())));
  }
  return modules;
}

}  // namespace

LoraFile LoraFile::open(const std::string& path) {
  LoraFile file;
  file.path_ = path;
  file.reader_ = open_weights_file(path);
  for (const std::string& tensor : file.reader_->names()) {
    const std::optional<LoraName> name = parse_lora_name(tensor);
    if (!name) {
      file.unknown_.push_back(tensor);
      continue;
    }
    auto& modules = file.modules_[static_cast<std::size_t>(name->network)];
    if (!modules[name->module].tensors.emplace(name->part, tensor).second)
      fail(ErrorKind::bad_file, path, ": tensor ", in_quotes(tensor), " says again what another says of ", name->module);
  }
  if (std::all_of(file.modules_.begin(), file.modules_.end(), [](const auto& modules) { return modules.empty(); }))
    fail(ErrorKind::bad_file, path, ": not a LoRA: none of its ", file.unknown_.size(), " tensors is named as one",
         file.unknown_.empty() ? "" : ", for example " + in_quotes(file.unknown_.front()),
         "; expected names such as \"lora_unet_....lora_down.weight\" or \"unet.....lora_A.weight\"");
  return file;
}

void LoraFile::rename_original_modules(const std::vector<std::string>& unet) {
  const auto names = original_modules(unet);
  auto& modules = modules_[static_cast<std::size_t>(AdaptedNetwork::unet)];
  for (const auto& [original, ours] : names) {
    auto module = modules.extract(original);
    if (module.empty()) continue;
    module.key() = ours;
    if (!modules.insert(std::move(module)).inserted)
      fail(ErrorKind::bad_file, path_, ": changes ", ours, " twice, under that name and as ", original);
  }
}

}  // namespace impasto
