// From a server into the cache: what is fetched, where it lies, when it may be seen.
#include <filesystem>

#include <gtest/gtest.h>

#include "hub/cache.h"
#include "hub/hub_server.h"
#include "impasto/pipeline.h"
#include "support/expect_error.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

class DownloadTest : public ::testing::Test {
 protected:
  test::HubServer hub_;
};

const std::string kUnet = "unet/diffusion_pytorch_model.safetensors";

TEST_F(DownloadTest, FetchesWhatDrawingNeedsAndNothingElse) {
  hub_.publish("README.md", "read me");
  hub_.publish("v1-5.ckpt", "pickle");
  hub_.publish("unet/diffusion_pytorch_model.bin", "pickle");
  hub_.publish("safety_checker/model.safetensors", "x");
  const DownloadedModel model = hub_.download();
  EXPECT_EQ(model.path, hub_.repository() + "/snapshots/" + model.commit);
  EXPECT_EQ(model.fetched_bytes, model.bytes);
  EXPECT_EQ(inspect("org/tiny").path, model.path);
  EXPECT_EQ(
      HubCache(hub_.cache(), "org/tiny").files_of(model.commit),
      (std::set<std::string>{"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "text_encoder/model.safetensors",
                             "tokenizer/merges.txt", "tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
                             "unet/config.json", kUnet, "vae/config.json", "vae/diffusion_pytorch_model.safetensors"}));
  EXPECT_EQ(hub_.damage(), "");
  EXPECT_TRUE(hub_.leftovers().empty());
}

TEST_F(DownloadTest, LiesAsHuggingfaceHubLaysIt) {
  const DownloadedModel model = hub_.download();
  EXPECT_EQ(test::content_of(hub_.repository() + "/refs/main"), model.commit);
  const std::string link = fs::read_symlink(model.path + "/" + kUnet).string();
  EXPECT_EQ(link.substr(0, 15), "../../../blobs/");
  EXPECT_TRUE(is_sha256(link.substr(15))) << link;
  EXPECT_TRUE(is_git_hash(fs::read_symlink(model.path + "/model_index.json").filename().string()));
  EXPECT_TRUE(fs::exists(hub_.cache() + "/.locks/models--org--tiny/" + link.substr(15) + ".lock"));
}

TEST_F(DownloadTest, ASecondTimeOnlyAsksForTheList) {
  hub_.download();
  hub_.requests();
  EXPECT_EQ(hub_.download().fetched_bytes, 0);
  EXPECT_EQ(hub_.requests().size(), 1u);
}

TEST_F(DownloadTest, AddressesHaveNoEmptyParts) {
  for (const char* end : {"", "/", "//"}) {
    hub_.variables().set("HF_ENDPOINT", (hub_.endpoint() + end).c_str());
    fs::remove_all(hub_.cache());
    hub_.download();
    for (const Json& request : hub_.requests()) EXPECT_EQ(request.at("path").get<std::string>().find("//"), std::string::npos) << end << request;
  }
}

TEST_F(DownloadTest, WhatChangedIsFetchedAndTheOldStays) {
  const DownloadedModel old = hub_.download();
  hub_.publish("scheduler/scheduler_config.json", R"({"_class_name": "DDIMScheduler"})");
  const DownloadedModel now = hub_.download();
  EXPECT_NE(now.commit, old.commit);
  EXPECT_EQ(now.fetched_bytes, 32);
  EXPECT_EQ(find_model("org/tiny"), now.path);
  EXPECT_EQ(find_model("org/tiny@" + old.commit), old.path);
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, ModelsOfAnotherClassAreRefusedBeforeTheirWeightsCome) {
  hub_.publish("model_index.json", R"({"_class_name": "FluxPipeline"})");
  for (int time = 0; time < 2; ++time) {
    EXPECT_ERROR(hub_.download(), unsupported, "org/tiny/model_index.json", "FluxPipeline");
    EXPECT_EQ(hub_.requests_for("safetensors").size(), 0u);
  }
  EXPECT_FALSE(cached_model("org/tiny"));
  DownloadOptions options;
  options.files = {"*.json"};
  EXPECT_GT(hub_.download("org/tiny", options).fetched_bytes, 0) << "whoever names files means them";
}

TEST_F(DownloadTest, ARevisionMovesOnlyWhenAllIsThere) {
  const DownloadedModel old = hub_.download();
  hub_.publish(kUnet, test::noise(100'000));
  hub_.misbehave_for_file(kUnet, {{"break_after", 1000}});
  EXPECT_ERROR(hub_.download(), io, kUnet);
  EXPECT_EQ(find_model("org/tiny"), old.path);
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, RevisionsHaveRefsAndCommitsHaveNone) {
  const std::string commit = hub_.download("org/tiny@refs/pr/1").commit;
  EXPECT_EQ(test::content_of(hub_.repository() + "/refs/refs/pr/1"), commit);
  EXPECT_EQ(find_model("org/tiny@refs/pr/1"), hub_.repository() + "/snapshots/" + commit);
  fs::remove_all(hub_.cache());
  hub_.download("org/tiny@" + commit);
  EXPECT_TRUE(fs::is_empty(hub_.repository() + "/refs"));
  EXPECT_ERROR(hub_.download("org/tiny@v9"), not_found, "org/tiny", "no revision v9");
}

TEST_F(DownloadTest, OneFileMayBeNamed) {
  hub_.publish("v1/all.safetensors", "weights");
  const DownloadedModel model = hub_.download("org/tiny/v1/all.safetensors");
  EXPECT_EQ(test::content_of(model.path), "weights");
  EXPECT_EQ(model.files, 1);
  EXPECT_EQ(find_model("org/tiny/v1/all.safetensors"), model.path);
  EXPECT_ERROR(find_model("org/tiny"), not_found, "complete");
  EXPECT_ERROR(hub_.download("org/tiny/v1/none.safetensors"), not_found, "no file v1/none.safetensors");
}

TEST_F(DownloadTest, FilesMayBeNamed) {
  DownloadOptions options;
  options.files = {"tokenizer/vocab.json", "tokenizer/merges.txt"};
  const DownloadedModel model = hub_.download("org/tiny", options);
  EXPECT_EQ(test::content_of(model.path + "/tokenizer/vocab.json"), hub_.published("tokenizer/vocab.json"));
  EXPECT_EQ(model.files, 2);
  for (const std::string path : {"../x", "/etc/passwd", "a/../b", ""}) {
    options.files = {path};
    EXPECT_ERROR(hub_.download("org/tiny", options), invalid_argument, "path of a file") << path;
  }
}

TEST_F(DownloadTest, FilesMayBePatterns) {
  DownloadOptions options;
  options.files = {"vae/*", "*_index.json", "none/*"};
  const DownloadedModel model = hub_.download("org/tiny", options);
  EXPECT_EQ(model.files, 3);
  EXPECT_TRUE(fs::exists(model.path + "/vae/diffusion_pytorch_model.safetensors"));
  options.local_files_only = true;
  EXPECT_EQ(hub_.download("org/tiny", options).path, model.path);
  options.files = {"unet/*"};
  EXPECT_ERROR(hub_.download("org/tiny", options), not_found, "unet/*", "local_files_only");
  options.local_files_only = false;
  options.files = {"none/*"};
  EXPECT_ERROR(hub_.download("org/tiny", options), not_found, "org/tiny on 127.0.0.1", "none/*");
  options.files = {"vae/*", "none"};
  EXPECT_ERROR(hub_.download("org/tiny", options), not_found, "none");
}

TEST_F(DownloadTest, TheCacheMayBeNamed) {
  const test::TemporaryFolder other;
  DownloadOptions options;
  options.cache = other.path();
  EXPECT_EQ(hub_.download("org/tiny", options).path.find(other.path()), 0u);
  EXPECT_FALSE(fs::exists(hub_.cache()));
}

TEST_F(DownloadTest, VariantsFetchHalfWeights) {
  for (const std::string stem : {"unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"})
    hub_.publish(stem + ".fp16.safetensors", hub_.published(stem + ".safetensors") + " ");
  DownloadOptions options;
  options.variant = "fp16";
  const DownloadedModel model = hub_.download("org/tiny", options);
  EXPECT_TRUE(fs::exists(model.path + "/unet/diffusion_pytorch_model.fp16.safetensors"));
  EXPECT_FALSE(fs::exists(model.path + "/" + kUnet));
  EXPECT_EQ(cached_model("org/tiny", "fp16"), model.path);
  EXPECT_EQ(find_model("org/tiny"), model.path);
  options.variant = "bf16";
  EXPECT_ERROR(hub_.download("org/tiny", options), unsupported, "bf16");
}

TEST_F(DownloadTest, ListsWithoutHashesAreCompletedByAskingForEach) {
  hub_.misbehave({{"listing_without_hashes", true}});
  const DownloadedModel model = hub_.download();
  EXPECT_EQ(model.bytes, model.fetched_bytes);
  EXPECT_EQ(inspect("org/tiny").path, model.path);
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, SameContentUnderTwoNamesComesOnce) {
  hub_.publish("vae/config.json", hub_.published("unet/config.json"));
  hub_.download();
  int fetched = 0;
  for (const Json& request : hub_.requests_for("/config.json")) fetched += request.at("status") == 200;
  EXPECT_EQ(fetched, 2) << "text_encoder's, and one of the two";
}

TEST_F(DownloadTest, AnotherFileMayHaveTheContentOfTheIndex) {
  hub_.publish("tokenizer/special_tokens_map.json", hub_.published("model_index.json"));
  const DownloadedModel model = hub_.download();
  EXPECT_EQ(test::content_of(model.path + "/tokenizer/special_tokens_map.json"), hub_.published("model_index.json"));
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, EmptyFilesAreFiles) {
  hub_.publish("tokenizer/added_tokens.json", "");
  hub_.publish("e.safetensors", "");
  EXPECT_EQ(test::content_of(hub_.download("org/tiny/e.safetensors").path), "");
  hub_.download();
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, TellsHowFarItIs) {
  hub_.publish(kUnet, test::noise(2 << 20));
  hub_.misbehave_for_file(kUnet, {{"pause", 0.02}});
  DownloadOptions options;
  std::vector<DownloadProgress> seen;
  options.on_progress = [&](const DownloadProgress& p) { seen.push_back(p); };
  const DownloadedModel model = hub_.download("org/tiny", options);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().bytes, model.bytes);
  EXPECT_EQ(seen.back().total_bytes, model.bytes);
  EXPECT_EQ(seen.back().files, 12);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; }));
}

TEST_F(DownloadTest, StopsWhenAskedAndGoesOnFromThere) {
  hub_.publish(kUnet, test::noise(4 << 20));
  hub_.misbehave_for_file(kUnet, {{"pause", 0.05}});
  DownloadOptions options;
  std::int64_t bytes = 0;
  options.on_progress = [&](const DownloadProgress& p) { bytes = p.bytes; };
  options.should_stop = [&] { return bytes > 1 << 20; };
  EXPECT_ERROR(hub_.download("org/tiny", options), cancelled, "kept");
  EXPECT_EQ(hub_.leftovers().size(), 1u);
  EXPECT_ERROR(find_model("org/tiny"), not_found, "impasto download");
  hub_.misbehave(Json::object());
  hub_.requests();
  EXPECT_LT(hub_.download().fetched_bytes, 4 << 20);
  ASSERT_EQ(hub_.requests_for(kUnet).size(), 1u);
  EXPECT_TRUE(hub_.leftovers().empty());
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, AHookThatThrowsEndsIt) {
  DownloadOptions options;
  options.on_progress = [](const DownloadProgress&) { throw std::runtime_error("mine"); };
  EXPECT_THROW(hub_.download("org/tiny", options), std::runtime_error);
}

TEST_F(DownloadTest, OfflineNothingIsAsked) {
  hub_.variables().set("HF_HUB_OFFLINE", "1");
  EXPECT_ERROR(download("org/tiny"), not_found, "org/tiny", "HF_HUB_OFFLINE");
  hub_.variables().set("HF_HUB_OFFLINE", nullptr);
  const DownloadedModel model = hub_.download();
  hub_.variables().set("HF_HUB_OFFLINE", "1");
  hub_.requests();
  EXPECT_EQ(download("org/tiny").path, model.path);
  EXPECT_EQ(hub_.requests().size(), 0u);
}

TEST_F(DownloadTest, DamagedBlobsAreFetchedAgainWhenAskedTo) {
  const DownloadedModel model = hub_.download();
  const std::string blob = fs::canonical(model.path + "/" + kUnet).string();
  std::string content = test::content_of(blob);
  content[content.size() / 2] ^= 1;
  std::ofstream(blob, std::ios::binary) << content;
  DownloadOptions options;
  options.verify = true;
  EXPECT_EQ(hub_.download().fetched_bytes, 0);
  EXPECT_EQ(hub_.download("org/tiny", options).fetched_bytes, static_cast<std::int64_t>(content.size()));
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, BlobsOfTheWrongSizeAreFetchedAgainUnasked) {
  const DownloadedModel model = hub_.download();
  fs::resize_file(fs::canonical(model.path + "/" + kUnet), 100);
  EXPECT_GT(hub_.download().fetched_bytes, 0);
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(DownloadTest, LinksToSomethingElseAreReplaced) {
  const DownloadedModel model = hub_.download();
  fs::remove(model.path + "/" + kUnet);
  fs::create_symlink("../../../blobs/none", model.path + "/" + kUnet);
  EXPECT_EQ(hub_.download().fetched_bytes, 0);
  EXPECT_EQ(inspect("org/tiny").path, model.path);
}

TEST_F(DownloadTest, CopiesInPlaceOfLinksStay) {
  const DownloadedModel model = hub_.download();
  fs::rename(fs::canonical(model.path + "/" + kUnet), model.path + "/" + kUnet);
  EXPECT_EQ(hub_.download().fetched_bytes, 0);
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(model.path + "/" + kUnet)));
}

TEST_F(DownloadTest, CopiesBecomeLinksWhenReadAgain) {
  const DownloadedModel model = hub_.download();
  const std::string place = model.path + "/" + kUnet, blob = fs::canonical(place).string(), content = test::content_of(blob);
  DownloadOptions options;
  options.verify = true;
  for (const bool has_blob : {false, true}) {
    fs::remove(place);
    fs::rename(blob, place);
    if (has_blob) std::ofstream(blob) << "damaged";
    EXPECT_EQ(hub_.download("org/tiny", options).fetched_bytes, 0);
    EXPECT_EQ(fs::canonical(place).string(), blob);
    EXPECT_EQ(hub_.damage(), "");
  }
  fs::remove(place);
  std::ofstream(place) << "another's";
  EXPECT_EQ(hub_.download("org/tiny", options).fetched_bytes, 0) << "the blob is still there";
  EXPECT_EQ(fs::canonical(place).string(), blob);
  EXPECT_EQ(test::content_of(place), content);
}

TEST_F(DownloadTest, ACacheThatCannotBeWrittenToIsNamed) {
  const std::string file = fs::path(hub_.home()) / "file";
  std::ofstream(file) << "x";
  hub_.variables().set("HF_HUB_CACHE", file.c_str());
  EXPECT_ERROR(hub_.download(), io, file, "HF_HOME");
}

TEST_F(DownloadTest, NamesThatAreNoneAreRefused) {
  for (const std::string name : {"", "sd15", "/org/tiny", "org/tiny/unet", "org/tiny@../x"})
    EXPECT_ERROR(download(name), invalid_argument, "ORG/NAME") << name;
  DownloadOptions options;
  options.max_workers = 0;
  EXPECT_ERROR(download("org/tiny", options), invalid_argument, "max_workers");
}

}  // namespace
}  // namespace impasto
