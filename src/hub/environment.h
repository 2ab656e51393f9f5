// Where the Hub is, where its cache and the token lie, and whether the network may be used: huggingface_hub's variables, read afresh by each
// call.
#pragma once

#include <string>

namespace impasto {

struct HubEnvironment {
  std::string cache;       ///< HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else "hub" in HF_HOME ($XDG_CACHE_HOME/huggingface, ~/.cache/huggingface)
  std::string token_file;  ///< HF_TOKEN_PATH, else "token" in HF_HOME
  std::string endpoint;    ///< HF_ENDPOINT without a final "/", else https://huggingface.co
  bool offline = false;    ///< HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is 1, ON, YES or TRUE

  static HubEnvironment read();
};

/// HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else what the token file holds; spaces and line ends around it taken away. "" where there is none,
/// or where HF_HUB_DISABLE_IMPLICIT_TOKEN is set. Throws io where the file is there and cannot be read, invalid_argument for a token that
/// could not stand in a header.
std::string stored_token(const HubEnvironment& environment);

/// The variable that says this token, and wins over what is kept; "" where none does.
std::string variable_of_token(const std::string& token);

/// Of HF_HUB_ETAG_TIMEOUT or HF_HUB_DOWNLOAD_TIMEOUT; 10 where it is not set. Throws invalid_argument for what is no number of seconds from 1 on.
int timeout_seconds(const char* name);

/// The token without what is around it. Throws invalid_argument, naming `source` and never the token, where characters remain that no token has.
std::string clean_token(const std::string& text, const std::string& source);

}  // namespace impasto
