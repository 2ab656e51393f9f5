#include "pipelines/new_words.h"

#include <algorithm>
#include <set>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

const Embedding::Tensor& tensor_of(const Embedding& embedding, std::int64_t width) {
  const auto found = std::find_if(embedding.tensors.begin(), embedding.tensors.end(), [&](const auto& t) { return t.width == width; });
  if (found != embedding.tensors.end()) {
    constexpr std::int64_t kMost = 75;  // what a chunk has room for
    const bool whole = found->vectors >= 1 && found->vectors <= kMost && static_cast<std::int64_t>(found->values.size()) == found->vectors * width;
    if (!whole)
      fail(ErrorKind::invalid_argument, "embedding ", embedding.source, ": ", in_quotes(found->name), " has ", found->values.size(), " values for ",
           found->vectors, " vectors, expected 1 to ", kMost, " vectors of ", width);
    return *found;
  }
  std::string there;
  for (const Embedding::Tensor& t : embedding.tensors)
    there += concat(there.empty() ? "" : ", ", in_quotes(t.name), " [", t.vectors, ", ", t.width, "]");
  fail(ErrorKind::invalid_argument, "embedding ", embedding.source, " holds ", there.empty() ? "nothing" : there,
       ", but this model's text encoder is ", width, " wide: it was made for another (SD 1.x has 768, SD 2.x 1024, SDXL 768 and 1280)");
}

/// How an embedding is called in prompts. ComfyUI's users may write the file's extension, too.
std::vector<std::string> words_for(const std::string& name, PromptSyntax syntax) {
  if (syntax != PromptSyntax::comfyui) return {name};
  const std::string word = "embedding:" + name;
  return {word, word + ".safetensors", word + ".pt", word + ".bin"};
}

}  // namespace

NewVocabulary new_vocabulary(const std::vector<Embedding>& embeddings, PromptSyntax syntax, std::int64_t width, std::int64_t first_id) {
  NewVocabulary out;
  std::set<std::string> names;
  for (const Embedding& embedding : embeddings) {
    const Embedding::Tensor& tensor = tensor_of(embedding, width);
    const auto id = static_cast<std::int32_t>(first_id + static_cast<std::int64_t>(out.vectors.size()) / width);
    for (const std::string& name : embedding.names) {
      if (!names.insert(name).second)
        fail(ErrorKind::invalid_argument, "two embeddings are called ", in_quotes(name), ", one of them ", embedding.source);
      for (const std::string& word : words_for(name, syntax)) out.words.push_back({word, id, static_cast<std::int32_t>(tensor.vectors)});
    }
    out.vectors.insert(out.vectors.end(), tensor.values.begin(), tensor.values.end());
  }
  return out;
}

}  // namespace impasto
