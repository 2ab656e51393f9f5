// Models by name: from the cache that huggingface_hub keeps on this machine, or from the Hugging Face Hub.
//
// A model is named ORG/NAME, ORG/NAME@REVISION (a branch, a tag or a commit), or ORG/NAME/FILE.safetensors for one file of it. Everything that
// takes a model's folder takes such a name too, for a model that is in the cache: so do single networks, ControlNets, LoRA and IP-Adapters; for
// read_embedding() find_adapter() finds the file. Only download() and what its name says uses the network.
//
// The variables of huggingface_hub hold: HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and, for downloads, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH,
// HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, and curl's for proxies. docs/hub.md has the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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

/// The file of an adapter (a LoRA, a textual inversion): `name` itself where that is a file, else the one in that folder, or of that model in the
/// cache, which has the name that diffusers gives such files: pytorch_lora_weights or learned_embeds, .safetensors or .bin. Throws as find_model(),
/// and not_found for a folder without. Never uses the network.
IMPASTO_API std::string find_adapter(const std::string& name);

/// A folder with vocab.json and merges.txt of openai/clip-vit-large-patch14, whose tokenizer fits every Stable Diffusion 1.x and 2.x: for checkpoints
/// that come as a single file and without one. Nothing where the cache has it not. Never uses the network.
IMPASTO_API std::optional<std::string> cached_tokenizer();

/// How far a download is.
struct DownloadProgress {
  int files = 0, total_files = 0;
  std::int64_t bytes = 0, total_bytes = 0;  ///< of the files that were not in the cache; what an earlier attempt left counts as done
  bool waiting = false;                     ///< for another process that fetches the same file
};

struct DownloadOptions {
  /// "fp16" fetches float16 weights where the model has them: half the bytes.
  std::string variant;
  /// These files (paths in the repository) instead of those that drawing needs. One with *, ? or [ stands for all that match it, "/" included.
  std::vector<std::string> files;
  /// Instead of the one in HF_TOKEN or in the token file; "" for none. Sent to the endpoint's host and to nobody else.
  std::optional<std::string> token;
  /// The cache, instead of where the variables say it is.
  std::string cache;
  /// Takes what is in the cache and never uses the network, as HF_HUB_OFFLINE says for all calls.
  bool local_files_only = false;
  /// Files that are fetched at the same time, 1..64.
  int max_workers = 8;
  /// Reads again what is in the cache already, and fetches anew what is damaged. Copies in the place of links become links.
  bool verify = false;
  /// Called on the calling thread, about ten times a second and once at the end.
  std::function<void(const DownloadProgress&)> on_progress = {};
  /// Asked on the calling thread, about ten times a second. What has come so far is kept for the next attempt.
  std::function<bool()> should_stop = {};
};

struct DownloadedModel {
  std::string path;    ///< the snapshot's folder; for ORG/NAME/FILE the file
  std::string commit;  ///< that the revision stands for now
  int files = 0;
  std::int64_t bytes = 0;          ///< of all files
  std::int64_t fetched_bytes = 0;  ///< that came over the network; 0 where everything was there
};

/// Brings a model into the cache, or what is new or missing of it, and points its revision at it once it is complete. Each file is checked against
/// the hash that the Hub publishes before it gets its name. Any number of processes may do so at once, huggingface_hub among them; a process that is
/// killed leaves the cache as it was, and the next goes on where it stopped. With HF_HUB_OFFLINE set it only looks.
/// Throws invalid_argument, not_found, access_denied (the message names the page where terms are accepted, and how to log in), unsupported (not a
/// model that can be drawn with), io (network, disk full), bad_file (what came does not have its hash), cancelled.
IMPASTO_API DownloadedModel download(const std::string& name, const DownloadOptions& options = {});

/// Fetches what cached_tokenizer() finds: about 1.5 MB. Throws as download() does.
IMPASTO_API std::string download_tokenizer(const DownloadOptions& options = {});

struct VerifyOptions {
  std::function<void(const DownloadProgress&)> on_progress = {};  ///< after each megabyte
  std::function<bool()> should_stop = {};                         ///< asked as often
};

struct VerifiedModel {
  std::string path;  ///< the snapshot's folder
  int files = 0;
  std::int64_t bytes = 0;
  std::vector<std::string> damaged;             ///< content is not what its hash says, or is gone
  std::vector<std::string> unchecked;           ///< no links to a blob of the model: nothing says what they should hold
  std::vector<std::string> writable_by_others;  ///< whoever may write to a file may replace the model
};

/// Reads every file that the cache holds of a model's revision (or the one of ORG/NAME/FILE) and compares it with the hash that the Hub published
/// when it was fetched. Never uses the network; download() with `verify` mends what is damaged. Throws invalid_argument, not_found, io, cancelled.
IMPASTO_API VerifiedModel verify_model(const std::string& name, const VerifyOptions& options = {});

/// Keeps a token where huggingface_hub does (HF_TOKEN_PATH, else $HF_HOME/token), readable by its owner alone, in the place of the one that was
/// there. Returns the file. Throws invalid_argument for what is no token, io.
IMPASTO_API std::string save_token(const std::string& token);
/// Removes the kept token, and the link where its file is one. Returns the file; "" where there was none. Throws io.
IMPASTO_API std::string forget_token();
/// Asks the endpoint whose token it is; "" stands for the one that downloads would use. Throws access_denied where the endpoint does not know it or
/// there is none, io, bad_file for an endpoint that is no Hub.
IMPASTO_API std::string token_account(const std::string& token = "");

}  // namespace impasto
