// Reading files, and looking for them.
#include "core/file.h"

#include <filesystem>

#include <unistd.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {

TEST(HasEntry, CountsFilesFoldersAndDanglingLinks) {
  const test::TemporaryFolder folder;
  folder.write("deep/file", "");
  std::filesystem::create_symlink("nothing", folder / "dangling");
  for (const char* name : {"deep", "deep/file", "dangling"}) EXPECT_TRUE(has_entry(folder / name)) << name;
  for (const char* name : {"none", "deep/none", "none/file", "deep/file/none"}) EXPECT_FALSE(has_entry(folder / name)) << name;
}

TEST(HasEntry, AFolderThatMayNotBeLookedIntoIsAnError) {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("closed/file", "");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::none);
  const auto refused = [&] {  // root may look anywhere, so the child becomes nobody
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 77;
    return test::throws_error([&] { static_cast<void>(has_entry(file)); }, ErrorKind::io, {file, "Permission denied"}) ? 0 : 1;
  };
  EXPECT_EXIT(::_exit(refused()), ::testing::ExitedWithCode(0), "");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace impasto
