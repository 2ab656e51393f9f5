// Prompts that change on the way: a text for each stretch of steps, each text encoded once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "prompts/edited_prompt.h"

namespace impasto {

/// Which of the encoded texts each step has. `prompts` change in the same steps' order: one for each text encoder. `encode` is called with what they
/// are in a stretch whose texts are new, and returns how many tokens the context has that it made of them. Throws invalid_argument, naming `field`,
/// where the contexts together would take too much.
std::vector<std::uint32_t> encode_turns(const std::vector<EditedPrompt>& prompts, const std::string& field,
                                        const std::function<std::int64_t(const std::vector<std::string>& texts)>& encode);

}  // namespace impasto
