// The server of tests/hub/server.py for the life of an object, and a cache of its own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "core/json.h"
#include "hub/download.h"
#include "support/environment.h"
#include "support/temporary_folder.h"

namespace impasto::test {

class HubServer {
 public:
  /// Serves "org/tiny", which is the checkpoint tiny-sd15; sets HF_HOME and HF_ENDPOINT, and takes the other variables of the Hub away.
  HubServer();
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int storage_port() const { return storage_port_; }
  std::string home() const { return home_.path(); }
  std::string cache() const { return home_ / "hub"; }
  /// models--org--tiny
  std::string repository() const { return cache() + "/models--org--tiny"; }
  Variables& variables() { return variables_; }

  /// A file of a model on the server.
  void publish(const std::string& path, std::string_view content, const std::string& model = "org/tiny") const;
  void remove(const std::string& path) const;
  std::string published(const std::string& path) const;
  /// How the model misbehaves from now on; server.py says what can be said.
  void misbehave(const Json& faults, const std::string& model = "org/tiny") const;
  void misbehave_for_file(const std::string& path, const Json& fault) const { misbehave({{"files", {{path, fault}}}}); }

  /// What was asked for since the start or the last call, oldest first.
  std::vector<Json> requests();
  /// Of those, for the content of a path on "hub" or "storage".
  std::vector<Json> requests_for(const std::string& path);

  /// download() that tries again at once.
  DownloadedModel download(const std::string& name = "org/tiny", const DownloadOptions& options = {}) const;

  /// Every blob in the cache has the content that its name says, and there is no link to nothing. For EXPECT_EQ with "".
  std::string damage() const;
  /// Names of files in blobs/ that attempts have left.
  std::vector<std::string> leftovers() const;

 private:
  NoHubVariables variables_;
  TemporaryFolder root_, home_;
  pid_t process_ = -1;
  int input_ = -1, port_ = 0, storage_port_ = 0;
  std::size_t read_ = 0;
};

/// Pseudo-random bytes, so that no part looks like another.
std::string noise(std::size_t bytes, unsigned seed = 1);
std::string content_of(const std::string& path);

}  // namespace impasto::test
