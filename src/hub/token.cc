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

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(file, ignored));
}

void remove_name(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) fail(ErrorKind::io, file.string(), ": cannot be removed: ", error.message(), "; the token is still in it");
}

/// Saving wrote through the link, so that the token lies where it leads.
void remove_target(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::canonical(link, error);
  if (!error && fs::is_regular_file(target, error)) remove_name(target);
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
    if (!is_there(file)) return "";
    if (fs::is_symlink(file))
      remove_target(file);
    else if (!fs::is_regular_file(file))
      fail(ErrorKind::io, file, ": is no file that could hold a token; it is left as it is");
    remove_name(file);
    return file;
  });
}

std::string token_account(const std::string& token) {
  return guarded([&]() -> std::string {
    const HubEnvironment environment = HubEnvironment::read();
    if (environment.offline) fail(ErrorKind::io, "HF_HUB_OFFLINE forbids to ask the Hub whose token it is");
    const std::string clean = token.empty() ? stored_token(environment) : clean_token(token, "the token");
    if (clean.empty()) fail(ErrorKind::access_denied, "there is no token; log in with: impasto login");
    const StopSignal never;
    return HubClient(environment, clean, never, {}).account();
  });
}

}  // namespace impasto
