#include "pipelines/prompt_turns.h"

#include <map>
#include <set>

#include "core/fail.h"

namespace impasto {
namespace {

/// What the texts of one prompt may take together: 120 MB for SD 1.5.
constexpr std::int64_t kMostTokens = 77 * 512;

}  // namespace

std::vector<std::uint32_t> encode_turns(const std::vector<EditedPrompt>& prompts, const std::string& field,
                                        const std::function<std::int64_t(const std::vector<std::string>& texts)>& encode) {
  std::set<int> last_steps;
  for (const EditedPrompt& prompt : prompts) last_steps.insert(prompt.last_steps().begin(), prompt.last_steps().end());
  std::map<std::vector<std::string>, std::uint32_t> known;
  std::vector<std::uint32_t> turns;
  std::int64_t tokens = 0;
  for (const int last : last_steps) {
    std::vector<std::string> now;
    for (const EditedPrompt& prompt : prompts) now.push_back(prompt.at(last));
    const auto [texts, is_new] = known.try_emplace(std::move(now), static_cast<std::uint32_t>(known.size()));
    if (is_new) tokens += encode(texts->first);
    if (tokens > kMostTokens)
      fail(ErrorKind::invalid_argument, field, " changes into texts of more than ", kMostTokens, " tokens together; let it change less often");
    turns.resize(static_cast<std::size_t>(last), texts->second);
  }
  return turns;
}

}  // namespace impasto
