#include "hub/hub_server.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <sys/wait.h>
#include <unistd.h>

#include "hub/content_hash.h"
#include "hub/reference.h"
#include "support/golden.h"

namespace impasto::test {
namespace fs = std::filesystem;

HubServer::HubServer() {
  fs::create_directories(root_ / "models/org");
  fs::copy(test_checkpoint("tiny-sd15"), root_ / "models/org/tiny", fs::copy_options::recursive);
  int in[2], out[2];
  if (::pipe(in) != 0 || ::pipe(out) != 0) throw std::runtime_error("no pipe");
  process_ = ::fork();
  if (process_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
    ::execl(IMPASTO_TEST_PYTHON, IMPASTO_TEST_PYTHON, IMPASTO_SOURCE_DIR "/tests/hub/server.py", (root_ / "models").c_str(), (root_ / "log").c_str(),
            nullptr);
    ::_exit(99);
  }
  ::close(in[0]);
  ::close(out[1]);
  input_ = in[1];
  std::FILE* said = ::fdopen(out[0], "r");
  const bool started = std::fscanf(said, "%d %d", &port_, &storage_port_) == 2;
  std::fclose(said);
  if (!started) throw std::runtime_error("tests/hub/server.py does not start");
  variables_.set("HF_HOME", home_.path().c_str());
  variables_.set("HF_ENDPOINT", endpoint().c_str());
}

HubServer::~HubServer() {
  ::close(input_);
  ::waitpid(process_, nullptr, 0);
}

void HubServer::publish(const std::string& path, std::string_view content, const std::string& model) const {
  root_.write("models/" + model + "/" + path, content);
}

void HubServer::remove(const std::string& path) const { fs::remove(root_ / "models/org/tiny/" + path); }

std::string HubServer::published(const std::string& path) const { return content_of(root_ / "models/org/tiny/" + path); }

void HubServer::misbehave(const Json& faults, const std::string& model) const { publish(".faults.json", faults.dump(), model); }

std::vector<Json> HubServer::requests() {
  std::ifstream log(root_ / "log");
  std::vector<Json> all;
  std::size_t number = 0;
  for (std::string line; std::getline(log, line); ++number) {
    if (number >= read_) all.push_back(Json::parse(line));
  }
  read_ = number;
  return all;
}

std::vector<Json> HubServer::requests_for(const std::string& path) {
  std::vector<Json> found;
  for (const Json& request : requests()) {
    const std::string asked = request.at("path").get<std::string>();
    if (request.at("method") == "GET" && asked.find(path) != asked.npos && request.at("status") != 302 && request.at("status") != 307)
      found.push_back(request);
  }
  return found;
}

DownloadedModel HubServer::download(const std::string& name, const DownloadOptions& options) const {
  const RetryPolicy at_once{.attempts = 5, .first_wait = std::chrono::milliseconds(1), .longest_wait = std::chrono::milliseconds(5)};
  const auto reference = parse_hub_reference(name);
  if (!reference) throw std::runtime_error(name + " is not a name");
  return impasto::download(*reference, options, HubEnvironment::read(), at_once);
}

std::string HubServer::damage() const {
  std::string found;
  for (const auto& entry : fs::directory_iterator(repository() + "/blobs")) {
    const std::string name = entry.path().filename().string();
    if ((is_sha256(name) || is_git_hash(name)) && !file_matches(entry.path().string(), name)) found += name + " is damaged\n";
  }
  for (const auto& entry : fs::recursive_directory_iterator(repository() + "/snapshots")) {
    if (entry.is_symlink() && !fs::exists(entry.path())) found += entry.path().string() + " leads to nothing\n";
  }
  return found;
}

std::vector<std::string> HubServer::leftovers() const {
  std::vector<std::string> names;
  if (!fs::exists(repository() + "/blobs")) return names;
  for (const auto& entry : fs::directory_iterator(repository() + "/blobs")) {
    const std::string name = entry.path().filename().string();
    if (!is_sha256(name) && !is_git_hash(name)) names.push_back(name);
  }
  return names;
}

std::string noise(std::size_t bytes, unsigned seed) {
  std::string content(bytes, '\0');
  unsigned state = seed;
  for (char& c : content) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return content;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace impasto::test
