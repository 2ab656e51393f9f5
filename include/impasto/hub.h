// Models by name: from the cache that huggingface_hub keeps on this machine, or from the Hugging Face Hub.
//
// A model is named ORG/NAME, ORG/NAME@REVISION (a branch, a tag or a commit), or ORG/NAME/FILE.safetensors for one file of it. Everything that
// takes a model's folder takes such a name too, for a model that is in the cache. Only download() and what its name says uses the network.
//
// The variables of huggingface_hub hold: HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and, for downloads, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH,
// HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, and curl's for proxies. docs/hub.md has the rest.
#pragma once

#include <optional>
#include <string>

#include "impasto/api.h"

namespace impasto {

/// Whether `text` has the form of a name on the Hub and nothing lies on this disk under it as a path.
IMPASTO_API bool names_model_on_hub(const std::string& text);

/// The folder (or, for ORG/NAME/FILE, the file) of a model that lies complete in the cache; nothing where it does not. With `variant` "fp16" it
/// must hold float16 weights. Never uses the network. Throws bad_file where the cache is damaged, unsupported for another variant.
IMPASTO_API std::optional<std::string> cached_model(const std::string& name, const std::string& variant = "");

/// Where a model lies: `model` itself where that is a path on this disk or cannot be a name on the Hub, else what cached_model() finds. Throws
/// not_found, saying how to get it, where the name is one and the cache has it not or not all of it. Never uses the network.
IMPASTO_API std::string find_model(const std::string& model);

}  // namespace impasto
