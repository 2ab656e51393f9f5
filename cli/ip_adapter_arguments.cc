#include "cli/ip_adapter_arguments.h"

#include "cli/scaled_file.h"
#include "impasto/error.h"

namespace impasto::cli {

void add_ip_adapter_options(CLI::App& app, IpAdapterArguments& a) {
  auto* files =
      app.add_option("--ip-adapter", a.files,
                     "An IP-Adapter, which shows the model --ip-adapter-image beside the prompt, and how much that counts (default 1): a file, or "
                     "ORG/NAME/FILE on the Hub; may be given several times");
  files->type_name("FILE[:SCALE]");
  auto* images = app.add_option("--ip-adapter-image", a.images, "What it shows: one or more for one IP-Adapter, or one for each of several");
  images->type_name("FILE");
  auto* encoders =
      app.add_option("--image-encoder", a.image_encoders,
                     "The network that looks at them, a folder in the diffusers layout (default: \"image_encoder\" beside the IP-Adapter or "
                     "in the model); one for all, or one for each");
  encoders->type_name("DIR");
  for (auto* option : {files, images, encoders}) option->allow_extra_args(false)->group("Adapters");
}

std::vector<IpAdapterFile> ip_adapter_files(const IpAdapterArguments& a) {
  if (a.image_encoders.size() > 1 && a.image_encoders.size() != a.files.size())
    throw Error(ErrorKind::invalid_argument, "--image-encoder: " + std::to_string(a.image_encoders.size()) + " folders for " +
                                                 std::to_string(a.files.size()) + " IP-Adapters; give one for all, or one for each");
  std::vector<IpAdapterFile> files;
  for (std::size_t i = 0; i < a.files.size(); ++i) {
    IpAdapterFile& file = files.emplace_back(IpAdapterFile{parse_scaled_file("--ip-adapter", a.files[i]).path});
    if (!a.image_encoders.empty()) file.image_encoder = a.image_encoders.size() == 1 ? a.image_encoders.front() : a.image_encoders[i];
  }
  return files;
}

std::vector<IpAdapterImage> read_ip_adapter_images(const IpAdapterArguments& a, const std::vector<IpAdapterImage>& recorded) {
  const std::size_t count = a.files.size();
  if (count == 0 && !(a.images.empty() && a.image_encoders.empty()))
    throw Error(ErrorKind::invalid_argument, "--ip-adapter-image and --image-encoder are about an --ip-adapter, and there is none");
  if (count == 1 ? a.images.empty() : a.images.size() != count)
    throw Error(ErrorKind::invalid_argument, "--ip-adapter: " + std::to_string(count) + (count == 1 ? " IP-Adapter" : " IP-Adapters") + ", but " +
                                                 std::to_string(a.images.size()) + " pictures; each shows one, named by --ip-adapter-image");
  std::vector<IpAdapterImage> all;
  for (std::size_t i = 0; i < count; ++i) {
    const ScaledFile file = parse_scaled_file("--ip-adapter", a.files[i]);
    IpAdapterImage& image = all.emplace_back();
    image.scale = file.scale.value_or(i < recorded.size() ? recorded[i].scale : image.scale);
    for (std::size_t k = 0; k < a.images.size(); ++k)
      if (count == 1 || k == i) image.images.push_back(read_image(a.images[k]));
  }
  return all;
}

}  // namespace impasto::cli
