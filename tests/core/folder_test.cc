// Walks through folders.
#include "core/folder.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {

TEST(Folder, FilesBelowAreSortedAndLinksToFoldersAreNotFollowed) {
  const test::TemporaryFolder folder;
  folder.write("b", "");
  folder.write("a/deep/c", "");
  std::filesystem::create_directory_symlink(folder.path(), folder / "a/circle");
  std::filesystem::create_symlink("b", folder / "link");
  std::filesystem::create_symlink("nothing", folder / "dangling");
  EXPECT_EQ(files_below(folder.path()), (std::vector<std::string>{"a/deep/c", "b", "dangling", "link"}));
  EXPECT_EQ(require_files_below(folder.path(), "pictures").size(), 4u);
}

TEST(Folder, OneThatCannotBeReadIsEmptyUnlessItIsRequired) {
  const test::TemporaryFolder folder;
  folder.write("file", "");
  for (const std::string& path : {folder / "missing", folder / "file"}) {
    EXPECT_TRUE(files_below(path).empty());
    EXPECT_ERROR(require_files_below(path, "pictures"), not_found, path, "cannot look for pictures there");
  }
}

}  // namespace
}  // namespace impasto
