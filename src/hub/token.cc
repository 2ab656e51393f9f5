// Logging in and out: the token's file, and whose it is.
#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/guard.h"
#include "hub/environment.h"
#include "hub/hub_client.h"
#include "impasto/hub.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

/// Folders that are missing, open to nobody else.
void make_private_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::exists(folder, error)) return;
  make_private_folder(folder.parent_path());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    fail(ErrorKind::io, folder.string(), ": cannot be made: ", std::generic_category().message(errno),
         "; HF_HOME or HF_TOKEN_PATH choose another place");
}

}  // namespace

std::string save_token(const std::string& token) {
  return guarded([&] {
    const HubEnvironment environment = HubEnvironment::read();
    const std::string clean = clean_token(token, "the token");
    if (clean.empty()) fail(ErrorKind::invalid_argument, "the token is empty");
    make_private_folder(fs::path(environment.token_file).parent_path());
    write_file_atomically(environment.token_file, {reinterpret_cast<const std::uint8_t*>(clean.data()), clean.size()}, /*mode=*/0600);
    return environment.token_file;
  });
}

std::string forget_token() {
  return guarded([]() -> std::string {
    const std::string file = HubEnvironment::read().token_file;
    std::error_code error;
    const bool removed = fs::remove(file, error);
    if (error) fail(ErrorKind::io, file, ": cannot be removed: ", error.message());
    return removed ? file : "";
  });
}

std::string token_account(const std::string& token) {
  return guarded([&]() -> std::string {
    const HubEnvironment environment = HubEnvironment::read();
    if (environment.offline) fail(ErrorKind::io, "HF_HUB_OFFLINE forbids to ask ", environment.endpoint, " whose token it is");
    const std::string clean = token.empty() ? stored_token(environment) : clean_token(token, "the token");
    if (clean.empty()) fail(ErrorKind::access_denied, "there is no token; log in with: impasto login");
    const StopSignal never;
    return HubClient(environment, clean, never, {}).account();
  });
}

}  // namespace impasto
