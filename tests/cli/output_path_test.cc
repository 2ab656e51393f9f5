#include "cli/output_path.h"

#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "impasto/error.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using ::impasto::test::TemporaryFolder;

template <typename F>
Error error_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing thrown";
  return {ErrorKind::internal, ""};
}

Error check_error(const std::string& text, int num_images = 1) {
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < num_images; ++i) seeds.push_back(7 + static_cast<std::uint64_t>(i));
  return error_of([&] { OutputPath(text, num_images).check(seeds, 1000); });
}

void touch(const std::string& path) { std::ofstream(path) << "old"; }

TEST(OutputPath, ANameIsTakenAsItIs) {
  EXPECT_EQ(OutputPath("cat.png", 1).name(0, 7), "cat.png");
  EXPECT_EQ(OutputPath("a/b.c/CAT.PNG", 1).name(0, 7), "a/b.c/CAT.PNG");
  EXPECT_EQ(OutputPath("cat", 1).name(0, 7), "cat.png");
  EXPECT_EQ(OutputPath("a.b/cat", 1).name(0, 7), "a.b/cat.png");
}

TEST(OutputPath, SeveralPicturesOfOneNameAreNumbered) {
  EXPECT_EQ(OutputPath("cat.png", 3).name(0, 7), "cat-1.png");
  EXPECT_EQ(OutputPath("a/cat", 3).name(2, 9), "a/cat-3.png");
}

TEST(OutputPath, PatternsAreFilled) {
  EXPECT_EQ(OutputPath("cat-%03d.png", 1).name(0, 7), "cat-001.png");
  EXPECT_EQ(OutputPath("cat-%d", 12).name(11, 18), "cat-12.png");
  EXPECT_EQ(OutputPath("%02d/{seed}-{index}.png", 120).name(119, 126), "120/126-120.png");
  EXPECT_EQ(OutputPath("{seed}.png", 1).name(0, 18446744073709551615u), "18446744073709551615.png");
}

TEST(OutputPath, OtherPercentSignsAndBracesAreText) {
  for (const std::string name : {"100%.png", "%s%n.png", "%5d.png", "%0.png", "%0d.png", "%.png", "{prompt}.png", "{.png", "a{seed.png"}) {
    EXPECT_EQ(OutputPath(name, 1).name(0, 7), name);
  }
}

TEST(OutputPath, AFolderGetsNamesThatAreFree) {
  const TemporaryFolder folder;
  for (const std::string& text : {folder.path(), folder.path() + "/"}) {
    EXPECT_EQ(OutputPath(text, 2).name(0, 7), folder / "impasto-7.png") << text;
  }
  touch(folder / "impasto-7.png");
  EXPECT_EQ(OutputPath(folder.path(), 1).name(0, 7), folder / "impasto-7-2.png");
  touch(folder / "impasto-7-2.png");
  EXPECT_EQ(OutputPath(folder.path(), 1).name(0, 7), folder / "impasto-7-3.png");
}

TEST(OutputPath, PreviewsAreCalledAsTheirPictureAndOverwriteNoOther) {
  const TemporaryFolder folder;
  const OutputPath first(folder.path(), 2);
  EXPECT_EQ(first.preview_name(0, 7, 5), folder / "impasto-7-step-05.png");
  EXPECT_EQ(first.preview_name(1, 8, 5), folder / "impasto-8-step-05.png");
  for (const char* name : {"impasto-7-step-05.png", "impasto-8-step-05.png", "impasto-7.png"}) touch(folder / name);
  EXPECT_EQ(first.preview_name(0, 7, 10), folder / "impasto-7-step-10.png") << "once called, a picture keeps its name";
  const OutputPath second(folder.path(), 2);
  EXPECT_EQ(second.preview_name(0, 7, 5), folder / "impasto-7-2-step-05.png");
  EXPECT_EQ(second.preview_name(1, 7, 5), folder / "impasto-7-3-step-05.png") << "of one seed";
  EXPECT_EQ(second.name(0, 7), folder / "impasto-7-2.png");
  EXPECT_EQ(second.name(1, 7), folder / "impasto-7-3.png");
  EXPECT_EQ(OutputPath(folder.path(), 1).preview_name(0, 8, 5), folder / "impasto-8-2-step-05.png") << "of a run that was broken off";
}

TEST(OutputPath, NothingMeansTheCurrentFolder) { EXPECT_EQ(OutputPath("", 1).name(0, 7), "impasto-7.png"); }

TEST(OutputPath, OtherFormatsAreRefused) {
  for (const std::string name : {"cat.tiff", "cat.avif", "cat.png.txt", "a/%d.gif"}) {
    const Error error = error_of([&] { OutputPath(name, 1); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(".png"), std::string::npos);
  }
}

TEST(OutputPath, JpegAndWebpKeepTheirExtensionThroughout) {
  EXPECT_EQ(OutputPath("cat.jpg", 3).name(1, 7), "cat-2.jpg");
  EXPECT_EQ(OutputPath("%02d.WebP", 3).name(1, 7), "02.WebP");
  EXPECT_EQ(OutputPath("cat.jpeg", 1).preview_name(0, 7, 5), "cat-step-05.jpeg");
  EXPECT_EQ(OutputPath("cat.webp", 3).sheet_name(7), "cat-grid.webp");
}

TEST(OutputPath, GoodPlacesPassTheCheck) {
  const TemporaryFolder folder;
  touch(folder / "old.png");
  for (const std::string& text : {folder / "new.png", folder / "old.png", folder.path(), folder / "%d.png", std::string("/dev/null")}) {
    EXPECT_NO_THROW(OutputPath(text, 2).check({7, 8}, 1000)) << text;
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"old.png"}) << "checking leaves nothing behind";
}

TEST(OutputPath, MissingFoldersAreNotFound) {
  const TemporaryFolder folder;
  for (const std::string& text : {folder / "no/cat.png", folder / "no/", folder / "{seed}/cat.png"}) {
    EXPECT_EQ(check_error(text).kind(), ErrorKind::not_found) << text;
  }
  EXPECT_NE(std::string(check_error(folder / "no/cat.png").what()).find(folder / "no"), std::string::npos);
}

TEST(OutputPath, FilesInThePlaceOfFoldersAndFoldersInThePlaceOfFilesAreRefused) {
  const TemporaryFolder folder;
  touch(folder / "file");
  std::filesystem::create_directory(folder / "cat-2.png");
  EXPECT_EQ(check_error(folder / "file/cat.png").kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(check_error(folder / "cat.png", 2).kind(), ErrorKind::invalid_argument);
}

TEST(OutputPath, TwoPicturesNeedTwoNames) {
  const TemporaryFolder folder;
  const OutputPath output(folder / "{seed}.png", 2);
  EXPECT_NO_THROW(output.check({7, 8}, 1000));
  EXPECT_EQ(error_of([&] { output.check({7, 7}, 1000); }).kind(), ErrorKind::invalid_argument);
}

TEST(OutputPath, AFullDiskIsSeenBeforehand) {
  const TemporaryFolder folder;
  const Error error = error_of([&] { OutputPath(folder.path(), 1).check({7}, std::int64_t{1} << 60); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_NE(std::string(error.what()).find("full"), std::string::npos);
}

TEST(OutputPath, AReadOnlyFolderIsSeenBeforehand) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write anywhere; generate_test shows it with a read-only file system";
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  EXPECT_EQ(check_error(folder / "cat.png").kind(), ErrorKind::io);
}

}  // namespace
}  // namespace impasto::cli
