// Files of what text encoders made of prompts.
#include <algorithm>
#include <array>

#include "core/fail.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/prompt_embeddings.h"
#include "weights/reader.h"
#include "weights/widened.h"

namespace impasto {
namespace {

constexpr std::array kNames{"prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"};

/// The tensor of that name; nothing where the file has none.
std::optional<HostTensor> read_tensor(const WeightReader& file, const char* name, int rank) {
  const std::optional<TensorInfo> info = file.describe(name);
  if (!info) return std::nullopt;
  const std::string what = concat(file.where(), ": tensor ", in_quotes(name));
  if (!is_floating_point(info->dtype) || info->shape.rank() != rank || info->shape.count() == 0)
    fail(ErrorKind::bad_file, what, " has shape ", info->shape.to_string(), " of ", to_string(info->dtype),
         ", expected floating point numbers of shape ", rank == 3 ? "[prompts, tokens, channels]" : "[prompts, channels]");
  HostTensor tensor{{}, widened(file, name)};
  for (int i = 0; i < rank; ++i) tensor.shape.push_back(info->shape[i]);
  if (!all_finite(tensor.values)) fail(ErrorKind::bad_file, what, " holds NaN or infinity");
  return tensor;
}

void require_names(const WeightReader& file) {
  const std::vector<std::string> names = file.names();
  const auto strange =
      std::find_if(names.begin(), names.end(), [](const std::string& name) { return std::count(kNames.begin(), kNames.end(), name) == 0; });
  if (strange == names.end() && file.describe(kNames[0])) return;
  fail(ErrorKind::bad_file, file.where(), ": not a file of prompts' embeddings: it has ",
       strange != names.end() ? "a tensor " + in_quotes(*strange) : concat("no tensor \"", kNames[0], '"'), "; expected are ", kNames[0],
       ", and perhaps ", kNames[1], ", ", kNames[2], " and ", kNames[3]);
}

}  // namespace

PromptEmbeddings read_prompt_embeddings(const std::string& path) {
  return guarded([&] {
    const auto file = open_weights_file(path);
    require_names(*file);
    return PromptEmbeddings{*read_tensor(*file, kNames[0], 3), read_tensor(*file, kNames[1], 3), read_tensor(*file, kNames[2], 2),
                            read_tensor(*file, kNames[3], 2)};
  });
}

}  // namespace impasto
