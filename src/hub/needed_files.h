// Which files of a repository the engine needs: never two copies of the weights.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

namespace impasto {

/// Throws unsupported for a variant that could not be loaded.
void check_variant(const std::string& variant);

/// Of a model's files (paths with "/", relative to its root) those that drawing needs, the file that makes it complete last
/// (model_index.json), so that whoever writes them in this order leaves no half model that looks whole. `all` is
/// - a pipeline in the diffusers layout (model_index.json and folders), or
/// - an adapter (one of adapter_files() at the root), or
/// - one component (config.json and its weights at the root).
/// Of each network's weights one kind is taken: safetensors, or pickles where there is nothing else. `variant` is "" (full weights, else float16
/// ones) or "fp16" (those where a component has them, and at least one must). Throws not_found naming what is missing, unsupported for other kinds of
/// model and for variants that could not be loaded; messages begin with `where`.
std::vector<std::string> needed_files(const std::set<std::string>& all, const std::string& variant, const std::string& where);

/// What diffusers calls an adapter's file where nobody names it: LoRA, textual inversion; the one to take first.
std::span<const char* const> adapter_files();

}  // namespace impasto
