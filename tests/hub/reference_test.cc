#include "hub/reference.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "support/traversal.h"

namespace impasto {
namespace {

HubReference parsed(const std::string& text) {
  const auto reference = parse_hub_reference(text);
  EXPECT_TRUE(reference) << text;
  return reference.value_or(HubReference{});
}

TEST(HubReference, NamesARepositoryARevisionAndAFile) {
  EXPECT_EQ(parsed("stabilityai/stable-diffusion-2-1").repository, "stabilityai/stable-diffusion-2-1");
  EXPECT_EQ(parsed("a/b").revision, "main");
  EXPECT_EQ(parsed("a/b").file, "");
  EXPECT_EQ(parsed("a/b@fp16").revision, "fp16");
  EXPECT_EQ(parsed("a/b@refs/pr/1").revision, "refs/pr/1");
  EXPECT_EQ(parsed("Org_1/n.a-me_2/v1/model.fp16.safetensors@x").file, "v1/model.fp16.safetensors");
  EXPECT_EQ(parsed("Org_1/n.a-me_2/v1/model.fp16.safetensors@x").repository, "Org_1/n.a-me_2");
}

TEST(HubReference, TextComesBack) {
  for (const std::string text : {"a/b", "a/b@c", "a/b/c.safetensors", "a/b/c.safetensors@refs/pr/2"}) EXPECT_EQ(parsed(text).text(), text);
  EXPECT_EQ(parsed("a/b@main").text(), "a/b");
}

TEST(HubReference, PathsOfThisDiskAreNone) {
  for (const std::string text : {"",
                                 "a",
                                 "/a/b",
                                 "./a/b",
                                 "../a",
                                 "~/a",
                                 "a/",
                                 "/a",
                                 "a//b",
                                 "a/b/",
                                 "a/b/c",
                                 "models/sd/v15",
                                 "C:\\a\\b",
                                 "a b/c",
                                 "a/b c",
                                 "a/.b",
                                 ".a/b",
                                 "a/b.",
                                 "-a/b",
                                 "a/b--c",
                                 "a/b..c",
                                 "a/b.git",
                                 "ä/b",
                                 "https://huggingface.co/a/b",
                                 "a/b@",
                                 "loras/ink.safetensors",
                                 "loras/ink.pt@v1"})
    EXPECT_FALSE(parse_hub_reference(text)) << text;
  EXPECT_FALSE(parse_hub_reference("a/" + std::string(100, 'b')));
}

TEST(HubReference, RevisionsAndFilesCannotLeaveTheirFolder) {
  for (const std::string text :
       {"a/b@../c", "a/b@/c", "a/b@c/../d", "a/b@c//d", "a/b@c\\d", "a/b@.", "a/b@c/..", "a/b/../c.x", "a/b/./c.x", "a/b/c\\d.x"})
    EXPECT_FALSE(parse_hub_reference(text)) << text;
  EXPECT_FALSE(parse_hub_reference(std::string("a/b@c\0d", 7)));
  EXPECT_FALSE(parse_hub_reference("a/b@c\nd"));
}

TEST(SafeRelativePath, TakesWhatStaysBelowAFolder) {
  for (const std::string path : {"a", "a/b", "a/..b", "a/b..", "...", "ünïcode/ä", "a b"}) EXPECT_TRUE(is_safe_relative_path(path)) << path;
  for (const std::string path : {"", ".", "..", "/", "/a", "a/", "a//b", "a/./b", "a/../b", "..\\a", "a\\..\\b", "a\x7f", "a\nb"})
    EXPECT_FALSE(is_safe_relative_path(path)) << path;
  EXPECT_FALSE(is_safe_relative_path(std::string("a\0b", 3)));
  EXPECT_TRUE(is_safe_relative_path(std::string(255, 'a')));
  EXPECT_FALSE(is_safe_relative_path(std::string(256, 'a')));
}

TEST(SafeRelativePath, NeverLeadsOutOfTheFolder) {
  for (const char* target : {"secret", "secret.json"})
    for (const std::string& name : test::traversals(target)) {
      if (is_safe_relative_path(name)) {
        EXPECT_TRUE(("/cache" / std::filesystem::path(name)).lexically_normal().string().starts_with("/cache/")) << name;
        EXPECT_EQ(name.find('\0'), name.npos);
      }
      for (const std::string& text : {name, "org/" + name, "org/model/" + name, "org/model@" + name}) {
        const auto reference = parse_hub_reference(text);
        if (!reference) continue;
        EXPECT_EQ(reference->repository.find(".."), std::string::npos) << text;
        EXPECT_TRUE(is_safe_relative_path(reference->revision) && (reference->file.empty() || is_safe_relative_path(reference->file))) << text;
      }
    }
}

TEST(Hashes, AreToldByLengthAndDigits) {
  EXPECT_TRUE(is_git_hash(std::string(40, 'a')));
  EXPECT_TRUE(is_sha256(std::string(64, '0')));
  EXPECT_FALSE(is_git_hash(std::string(40, 'A')));
  EXPECT_FALSE(is_git_hash(std::string(40, 'g')));
  EXPECT_FALSE(is_git_hash(std::string(39, 'a')));
  EXPECT_FALSE(is_sha256(std::string(40, '0')));
}

}  // namespace
}  // namespace impasto
