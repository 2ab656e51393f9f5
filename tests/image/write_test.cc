// write_png: the file is whole or not there.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/png_reader.h"
#include "impasto/error.h"
#include "impasto/image.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

class WritePng : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "impasto-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    std::error_code ignored;
    fs::permissions(folder_, fs::perms::owner_all, ignored);
    fs::remove_all(folder_, ignored);
  }

  std::string path(const char* name) const { return (folder_ / name).string(); }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  }

  fs::path folder_;
};

Image picture(std::uint8_t shade = 7, int side = 16) {
  Image image{side, side, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(side) * static_cast<std::size_t>(side))};
  unsigned state = shade;
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return image;
}

std::vector<std::uint8_t> contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

/// The message of the io error that writing gives.
std::string io_error(const std::string& path, const Image& image = picture()) {
  try {
    write_png(path, image);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io) << e.what();
    return e.what();
  }
  ADD_FAILURE() << path << ": nothing thrown";
  return "";
}

void expect_has(const std::string& message, std::initializer_list<std::string> parts) {
  for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
}

/// Runs `body` in a child process and returns what it returned: for what changes the whole process.
template <typename F>
int in_child(const F& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 99;
    try {
      result = body();
    } catch (...) {
    }
    ::_exit(result);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool starts(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

TEST_F(WritePng, TheFileHoldsThePictureAndNothingElseIsLeft) {
  write_png(path("a.png"), picture(), {{"parameters", "x"}});
  EXPECT_EQ(contents(path("a.png")), encode_png(picture(), {{"parameters", "x"}}));
  EXPECT_EQ(names(), std::vector<std::string>{"a.png"});
}

TEST_F(WritePng, NewFilesFollowTheUmaskAndOldOnesKeepTheirMode) {
  const mode_t before = ::umask(027);
  write_png(path("new.png"), picture());
  ::umask(before);
  EXPECT_EQ(fs::status(path("new.png")).permissions(), fs::perms(0640));
  fs::permissions(path("new.png"), fs::perms(0600));
  write_png(path("new.png"), picture(8));
  EXPECT_EQ(fs::status(path("new.png")).permissions(), fs::perms(0600));
}

TEST_F(WritePng, ReplacesAnOldFileAndFollowsLinks) {
  put(path("old.png"), "old");
  fs::create_symlink("old.png", path("link.png"));
  fs::create_symlink("missing.png", path("dangling.png"));
  write_png(path("link.png"), picture());
  write_png(path("dangling.png"), picture());
  EXPECT_TRUE(fs::is_symlink(path("link.png")));
  EXPECT_EQ(contents(path("old.png")), encode_png(picture()));
  EXPECT_EQ(contents(path("missing.png")), encode_png(picture()));
}

TEST_F(WritePng, ARelativeNameGoesIntoTheCurrentFolder) {
  EXPECT_EQ(in_child([&] {
              if (::chdir(folder_.c_str()) != 0) return 1;
              write_png("here.png", picture());
              return 0;
            }),
            0);
  EXPECT_EQ(contents(path("here.png")), encode_png(picture()));
}

TEST_F(WritePng, TheLongestNameThatFitsIsWritten) {
  const std::string name = std::string(251, 'n') + ".png";  // 255 bytes
  write_png(path(name.c_str()), picture());
  EXPECT_TRUE(fs::exists(path(name.c_str())));
  expect_has(io_error(path(("n" + name).c_str())), {"File name too long"});
  EXPECT_EQ(names().size(), 1u);
}

TEST_F(WritePng, AMissingFolderIsNamed) {
  const auto bytes = std::to_string(encode_png(picture()).size()) + " bytes";
  expect_has(io_error(path("no/a.png")), {path("no/a.png"), bytes, "No such file or directory", "folder must exist"});
}

TEST_F(WritePng, AFolderIsNotReplaced) {
  fs::create_directory(path("a.png"));
  expect_has(io_error(path("a.png")), {path("a.png"), "Is a directory"});
  expect_has(io_error(path("a.png") + "/"), {"Is a directory"});
  put(path("file"), "old");
  expect_has(io_error(path("file") + "/a.png"), {"Not a directory"});
}

TEST_F(WritePng, AReadOnlyFolderOrFileIsLeftAsItWas) {
  put(path("kept.png"), "old");
  fs::permissions(path("kept.png"), fs::perms(0444));
  const auto refused = [&](const std::string& name) {
    // Root may write anywhere, so the child becomes nobody.
    return in_child([&] {
      if (::geteuid() == 0 && (::chown(folder_.c_str(), 65534, 65534) != 0 || ::setuid(65534) != 0)) return 77;
      return starts(io_error(path(name.c_str())), path(name.c_str()) + ": cannot write") ? 0 : 1;
    });
  };
  EXPECT_EQ(refused("kept.png"), 0);
  fs::permissions(folder_, fs::perms(0555));
  EXPECT_EQ(refused("a.png"), 0);
  EXPECT_EQ(names(), std::vector<std::string>{"kept.png"});
  EXPECT_EQ(contents(path("kept.png")), (std::vector<std::uint8_t>{'o', 'l', 'd'}));
}

TEST_F(WritePng, AWriteThatFailsHalfWayLeavesTheOldFileAndNoOther) {
  put(path("a.png"), "old");
  const int result = in_child([&] {  // a limit on file sizes cuts the second write as a full disk would
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{5000, 5000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    const std::string message = io_error(path("a.png"), picture(1, 128));
    return message.find("writing: File too large") != std::string::npos ? 0 : 1;
  });
  EXPECT_EQ(result, 0);
  EXPECT_EQ(names(), std::vector<std::string>{"a.png"});
  EXPECT_EQ(contents(path("a.png")).size(), 3u);
}

TEST_F(WritePng, AProcessThatIsKilledWhileWritingLeavesTheOldFileAndNoOther) {
  if (const int fd = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY, 0600); fd < 0) {
    GTEST_SKIP() << "this file system has no files without a name";
  } else {
    ::close(fd);
  }
  put(path("a.png"), "old");
  const pid_t child = ::fork();
  if (child == 0) {  // the second write passes the limit on file sizes, which ends the process on the spot
    const rlimit none{0, 0}, limit{5000, 5000};
    ::setrlimit(RLIMIT_CORE, &none);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_DFL);
    write_png(path("a.png"), picture(1, 128));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(names(), std::vector<std::string>{"a.png"});
  EXPECT_EQ(contents(path("a.png")).size(), 3u);
}

TEST_F(WritePng, WithoutFilesWithoutNamesItWritesBesideAndRenames) {
  constexpr int kSkip = 77;
  const int result = in_child([&] {  // no /proc, so no way to name such a file
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kSkip;
    if (::mount("tmpfs", "/proc", "tmpfs", 0, "size=64k") != 0) return kSkip;
    write_png(path("a.png"), picture(1));
    write_png(path("a.png"), picture(2));
    if (names() != std::vector<std::string>{"a.png"} || contents(path("a.png")) != encode_png(picture(2))) return 1;
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{5000, 5000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kSkip;
    io_error(path("a.png"), picture(1, 128));
    return names() == std::vector<std::string>{"a.png"} && contents(path("a.png")) == encode_png(picture(2)) ? 0 : 2;
  });
  if (result == kSkip) GTEST_SKIP() << "hiding /proc needs root";
  EXPECT_EQ(result, 0);
}

TEST_F(WritePng, AFullDiskIsNamedAndLeavesTheOldFileAndNoOther) {
  constexpr int kSkip = 77;
  const int result = in_child([&] {
    const auto fail_at = [](int step) { return std::fprintf(stderr, "step %d\n", step), step; };
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kSkip;
    if (::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=64k") != 0) return kSkip;
    write_png(path("a.png"), picture(1));
    const auto old = contents(path("a.png"));
    const std::string message = io_error(path("a.png"), picture(1, 256));  // 196 kB of noise
    if (message.find("No space left on device; free some space") == std::string::npos) return fail_at(1);
    if (names() != std::vector<std::string>{"a.png"} || contents(path("a.png")) != old) return fail_at(2);
    write_png(path("b.png"), picture(2));  // what fits still goes in
    return 0;
  });
  if (result == kSkip) GTEST_SKIP() << "mounting a small file system needs root";
  EXPECT_EQ(result, 0);
}

TEST_F(WritePng, DevicesAndPipesAreWrittenToNotReplaced) {
  write_png("/dev/null", picture());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  expect_has(io_error("/dev/full"), {"/dev/full", "No space left on device"});
  EXPECT_TRUE(fs::is_character_file("/dev/full"));

  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  write_png(path("pipe"), picture(3, 8));
  std::vector<std::uint8_t> got(4096);
  got.resize(static_cast<std::size_t>(::read(reader, got.data(), got.size())));
  ::close(reader);
  EXPECT_EQ(got, encode_png(picture(3, 8)));
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
}

}  // namespace
}  // namespace impasto
