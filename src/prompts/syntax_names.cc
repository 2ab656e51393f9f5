#include <algorithm>
#include <array>
#include <utility>

#include "core/fail.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/pipeline.h"

namespace impasto {
namespace {

constexpr std::array<std::pair<PromptSyntax, const char*>, 3> kNames{{
    {PromptSyntax::plain, "plain"},
    {PromptSyntax::a1111, "a1111"},
    {PromptSyntax::comfyui, "comfyui"},
}};

}  // namespace

const char* to_string(PromptSyntax syntax) {
  const auto* found = std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == syntax; });
  return found == kNames.end() ? "unknown" : found->second;
}

PromptSyntax prompt_syntax_named(const std::string& name) {
  return guarded([&] {
    const auto* found = std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return name == entry.second; });
    if (found == kNames.end())
      fail(ErrorKind::invalid_argument, "prompt syntax ", in_quotes(name), " is not known; there are plain, a1111 and comfyui");
    return found->first;
  });
}

}  // namespace impasto
