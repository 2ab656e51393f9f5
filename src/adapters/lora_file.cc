#include "adapters/lora_file.h"

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {

LoraFile LoraFile::open(const std::string& path) {
  LoraFile file;
  file.path_ = path;
  file.reader_ = open_safetensors(path);
  for (const std::string& tensor : file.reader_->names()) {
    const std::optional<LoraName> name = parse_lora_name(tensor);
    if (!name) {
      file.unknown_.push_back(tensor);
      continue;
    }
    auto& modules = name->network == AdaptedNetwork::unet ? file.unet_ : file.text_encoder_;
    if (!modules[name->module].tensors.emplace(name->part, tensor).second)
      fail(ErrorKind::bad_file, path, ": tensor ", in_quotes(tensor), " says again what another says of ", name->module);
  }
  if (file.unet_.empty() && file.text_encoder_.empty())
    fail(ErrorKind::bad_file, path, ": not a LoRA: none of its ", file.unknown_.size(), " tensors is named as one",
         file.unknown_.empty() ? "" : ", for example " + in_quotes(file.unknown_.front()),
         "; expected names such as \"lora_unet_....lora_down.weight\" or \"unet.....lora_A.weight\"");
  return file;
}

}  // namespace impasto
