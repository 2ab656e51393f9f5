// Files and folders that are whole or not there; image/write_test.cc has what a picture's file goes through.
#include "core/atomic_file.h"

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

using Names = std::vector<std::string>;

/// Runs `body`, which tells when it is there, in a process that then waits for ever. Killed by kill() or with the object.
class Child {
 public:
  template <typename Body>
  explicit Child(const Body& body) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      body([&] {
        EXPECT_EQ(::write(ready[1], "x", 1), 1);
        for (;;) ::pause();
      });
      ::_exit(1);
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]), ::close(ready[1]);
  }
  ~Child() { kill(); }
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

TEST(AtomicFolder, IsThereWholeOrNotAtAll) {
  const test::TemporaryFolder here;
  {
    const AtomicFolder dropped(here / "a");
    std::ofstream(dropped.path() + "/file") << "x";
  }
  EXPECT_EQ(here.names(), Names{});
  AtomicFolder folder(here / "a");
  std::ofstream(folder.path() + "/file") << "x";
  EXPECT_FALSE(fs::exists(here / "a"));
  folder.commit();
  EXPECT_EQ(here.names(), Names{"a"});
  EXPECT_ERROR(AtomicFolder(here / "a"), invalid_argument, "is there already");
}

TEST(AtomicFolder, ADiskWithTooLittleRoomIsToldBeforeAnythingIsMade) {
  const test::TemporaryFolder here;
  EXPECT_ERROR(AtomicFolder(here / "a", std::uint64_t{1} << 60), io, here / "a", "needs 1152921504606846976 bytes, but the disk has ");
  EXPECT_EQ(here.names(), Names{});
}

TEST(AtomicFolder, MayBeTheEmptyFolderOneIsIn) {
  const test::TemporaryFolder here;
  fs::create_directory(here / "a");
  const fs::path before = fs::current_path();
  fs::current_path(here / "a");
  {
    AtomicFolder folder(".");
    std::ofstream(folder.path() + "/file") << "x";
    folder.commit();
  }
  fs::current_path(before);
  EXPECT_EQ(here.names(), Names{"a"});
  EXPECT_TRUE(fs::exists(here / "a/file"));
}

TEST(AtomicFolder, WhatAKilledProcessLeftGoesWithTheNext) {
  const test::TemporaryFolder here;
  Child child([&](const auto& wait) {
    const AtomicFolder folder(here / "a");
    fs::create_directory(folder.path() + "/unet");
    std::ofstream(folder.path() + "/unet/file") << "x";
    wait();
  });
  ASSERT_EQ(here.names().size(), 1u);
  const std::string theirs = here.names()[0];
  { const AtomicFolder ours(here / "a"); }
  EXPECT_EQ(here.names(), Names{theirs}) << "it was still at it";
  { const AtomicFolder another(here / "b"); }
  child.kill();
  { const AtomicFolder another(here / "b"); }
  EXPECT_EQ(here.names(), Names{theirs}) << "of another folder";
  { const AtomicFolder ours(here / "a"); }
  EXPECT_EQ(here.names(), Names{});
}

TEST(AtomicFolder, ALinkOfThatNameIsNotFollowed) {
  const test::TemporaryFolder here;
  here.write("precious/file", "x");
  const std::string usual = AtomicFolder(here / "a").path();
  fs::create_directory_symlink("precious", usual);
  {
    AtomicFolder folder(here / "a");
    EXPECT_NE(folder.path(), usual);
    folder.commit();
  }
  EXPECT_TRUE(fs::exists(here / "precious/file"));
  EXPECT_TRUE(fs::is_directory(here / "a"));
}

TEST(AtomicFile, WhatAKilledProcessLeftGoesWithTheNext) {
  const test::TemporaryFolder here;
  const std::string usual = AtomicFolder(here / "a").path();  // the same names serve files
  const std::uint8_t byte = 'n';
  std::ofstream(usual) << "left between naming and renaming";
  write_file_atomically(here / "a", {&byte, 1});
  EXPECT_EQ(here.names(), Names{"a"});
  std::ofstream(usual) << "left again";
  write_file_atomically(here / "a", {&byte, 1});
  EXPECT_EQ(here.names(), Names{"a"});
  EXPECT_EQ(fs::file_size(here / "a"), 1u);
}

}  // namespace
}  // namespace impasto
