// impasto download, login, logout and verify as processes, and --model with a name.
#include <csignal>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/process.h"
#include "hub/hub_server.h"
#include "impasto/convert.h"
#include "impasto/image.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/single_file.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

using cli::test::Ran;
using cli::test::run;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class HubCommand : public ::testing::Test {
 protected:
  std::string token_file() const { return hub_.home() + "/token"; }

  static void expect_refused(const Ran& ran, int code, std::initializer_list<std::string> parts) {
    EXPECT_EQ(ran.code, code);
    EXPECT_EQ(ran.out, "");
    for (const std::string& part : parts) EXPECT_TRUE(has(ran.err, part)) << ran.err << "lacks: " << part;
  }

  test::HubServer hub_;
};

TEST_F(HubCommand, DownloadPrintsTheFolder) {
  const Ran ran = run({"download", "org/tiny"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, find_model("org/tiny") + "\n");
  EXPECT_TRUE(has(ran.err, "Downloading 100 %")) << ran.err;
  EXPECT_TRUE(has(ran.err, "12 files")) << ran.err;
  const Ran again = run({"download", "org/tiny"});
  EXPECT_TRUE(has(again.err, "nothing to fetch")) << again.err;
  EXPECT_EQ(run({"download", "org/tiny", "-q"}).err, "");
}

TEST_F(HubCommand, DownloadReportsAsJson) {
  const Ran ran = run({"download", "org/tiny", "--json", "--quiet", "--file", "unet/config.json", "--file", "vae/config.json"});
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("files"), 2);
  EXPECT_EQ(report.at("path").get<std::string>() + "\n", hub_.repository() + "/snapshots/" + report.at("commit").get<std::string>() + "\n");
  const Ran wrong = run({"download", "org/none", "--json"});
  EXPECT_EQ(Json::parse(wrong.out).at("error").at("kind"), "access_denied");
  EXPECT_EQ(wrong.code, 2);
}

TEST_F(HubCommand, DownloadShowsABarOnATerminal) {
  hub_.publish("unet/diffusion_pytorch_model.safetensors", test::noise(2 << 20));
  hub_.misbehave_for_file("unet/diffusion_pytorch_model.safetensors", {{"pause", 0.02}});
  const Ran ran = cli::test::run_on_terminal({"download", "org/tiny"}, 80);
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(has(ran.out, "\rDownloading [")) << ran.out;
  EXPECT_TRUE(has(ran.out, " MB/")) << ran.out;
}

TEST_F(HubCommand, DownloadStopsAtCtrlCAndGoesOnLater) {
  hub_.publish("unet/diffusion_pytorch_model.safetensors", test::noise(4 << 20));
  hub_.misbehave_for_file("unet/diffusion_pytorch_model.safetensors", {{"pause", 0.1}});
  const Ran ran = cli::test::run_and_signal({"download", "org/tiny"}, "Downloading", SIGINT);
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.err, "impasto: stopped")) << ran.err;
  hub_.misbehave(Json::object());
  EXPECT_EQ(run({"download", "org/tiny"}).code, 0);
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(HubCommand, AModelThatIsNotHereIsFetchedOnce) {
  const Ran ran = run({"info", "org/tiny"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "Downloading org/tiny")) << ran.err;
  hub_.requests();
  EXPECT_EQ(run({"info", "org/tiny"}).err, "");
  EXPECT_EQ(hub_.requests().size(), 0u);
  EXPECT_EQ(run({"info"}, {.environment = {"IMPASTO_MODEL=org/tiny"}}).code, 0);
}

/// What drawing from tiny-sd15 needs beside the model, each once fetched and then in the cache.
TEST_F(HubCommand, WhateverGoesWithAModelIsFetchedOnce) {
  const test::TemporaryFolder here;
  const std::string data = IMPASTO_TEST_DATA;
  const auto publish = [&](const std::string& model, const std::string& path, const std::string& file) {
    hub_.publish(path, test::content_of(data + "/" + file), model);
  };
  publish("org/vae", "config.json", "checkpoints/tiny-sd15/vae/config.json");
  publish("org/vae", "diffusion_pytorch_model.safetensors", "checkpoints/tiny-sd15/vae/diffusion_pytorch_model.safetensors");
  publish("org/canny", "config.json", "adapters/controlnet/config.json");
  publish("org/canny", "diffusion_pytorch_model.safetensors", "adapters/controlnet/diffusion_pytorch_model.safetensors");
  publish("org/checker", "config.json", "safety_checker/config.json");
  publish("org/checker", "model.safetensors", "safety_checker/model.safetensors");
  publish("org/taesd", "config.json", "tiny_vae/config.json");
  publish("org/taesd", "diffusion_pytorch_model.safetensors", "tiny_vae/diffusion_pytorch_model.safetensors");
  publish("org/ink", "pytorch_lora_weights.safetensors", "adapters/lora_peft.safetensors");
  publish("org/styles", "pen.safetensors", "adapters/lora_kohya.safetensors");
  publish("org/word", "learned_embeds.bin", "embeddings/single.bin");
  publish("org/ip", "models/plain.safetensors", "ip_adapters/plain.safetensors");
  for (const std::string file : {"config.json", "model.safetensors"})
    publish("org/ip", "models/image_encoder/" + file, "ip_adapters/image_encoder/" + file);
  const std::string picture = data + "/pictures/rgb.png";
  std::vector<std::string> draw = {"generate", "a cat of learned_embeds", "-W",   "64", "-H", "64", "--control-image",
                                   picture,    "--ip-adapter-image",      picture};
  const std::pair<const char*, std::string> more[] = {{"-m", data + "/checkpoints/tiny-sd15"},
                                                      {"--steps", "1"},
                                                      {"-s", "1"},
                                                      {"-o", here / "a.png"},
                                                      {"--vae", "org/vae"},
                                                      {"--controlnet", "org/canny"},
                                                      {"--safety", "flag"},
                                                      {"--safety-checker", "org/checker"},
                                                      {"--taesd", "org/taesd"},
                                                      {"--lora", "org/ink:0.8"},
                                                      {"--lora", "org/styles/pen.safetensors"},
                                                      {"--embedding", "org/word"},
                                                      {"--ip-adapter", "org/ip/models/plain.safetensors:0.5"}};
  for (const auto& [option, value] : more) draw.push_back(option), draw.push_back(value);
  const Ran ran = run(draw);
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* name : {"org/vae", "org/canny", "org/checker", "org/taesd", "org/ink", "org/styles/pen.safetensors", "org/word",
                           "org/ip/models/plain.safetensors", "org/ip/models/image_encoder"})
    EXPECT_TRUE(has(ran.err, std::string("Downloading ") + name + "\n")) << name << " in " << ran.err;
  EXPECT_TRUE(has(run({"info", "org/ip/models/plain.safetensors"}).out, "cross-attentions"));
  const std::string drawn = test::content_of(here / "a.png");
  hub_.requests();
  const Ran again = run(draw);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_FALSE(has(again.err, "Downloading")) << again.err;
  EXPECT_EQ(hub_.requests().size(), 0u);
  EXPECT_EQ(test::content_of(here / "a.png"), drawn);
  const std::string record = run({"metadata", here / "a.png"}).out;
  for (const char* part : {"<lora:org/ink:0.8>", "<lora:org/styles/pen.safetensors:1>", "Model: canny", "Model: plain"})
    EXPECT_TRUE(has(record, part)) << part << " in " << record;
}

TEST_F(HubCommand, APromptNamesAnAdapterOfTheCacheAndFetchesNone) {
  const test::TemporaryFolder here;
  const std::string data = IMPASTO_TEST_DATA, model = data + "/checkpoints/tiny-sd15";
  hub_.publish("pytorch_lora_weights.safetensors", test::content_of(data + "/adapters/lora_peft.safetensors"), "org/ink");
  const auto draw = [&](const std::string& prompt, const std::string& file) {
    return run({"generate", prompt, "-m", model, "--steps", "1", "-W", "64", "-H", "64", "-s", "1", "-o", here / file});
  };
  expect_refused(draw("a cat <lora:org/ink:0.8>", "a.png"), 2, {"org/ink", "impasto download org/ink"});
  EXPECT_EQ(hub_.requests().size(), 0u);
  EXPECT_EQ(run({"download", "org/ink", "-q"}).code, 0);
  EXPECT_EQ(draw("a cat <lora:org/ink:0.8>", "a.png").code, 0);
  EXPECT_EQ(run({"generate", "--from", here / "a.png", "-m", model, "-o", here / "b.png"}).code, 0);
  EXPECT_EQ(test::content_of(here / "a.png"), test::content_of(here / "b.png"));
  draw("a cat", "c.png");
  EXPECT_NE(read_image(here / "a.png").pixels, read_image(here / "c.png").pixels);
}

TEST_F(HubCommand, AnAdapterThatTheHubDoesNotHaveIsNamed) {
  const std::string model = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";
  expect_refused(run({"generate", "a cat", "-m", model, "--lora", "org/none:0.5"}), 2, {"org/none"});
  hub_.publish("ink.safetensors", "x", "org/styles");
  expect_refused(run({"generate", "a cat", "-m", model, "--lora", "org/styles"}), 2, {"org/styles", "ORG/NAME/FILE", "ink.safetensors"});
  expect_refused(run({"generate", "a cat", "-m", model, "--lora", "loras/ink.safetensors"}), 2,
                 {"--lora: there is no file \"loras/ink.safetensors\""});
  expect_refused(run({"generate", "a cat", "-m", model, "--controlnet", "org/canny", "--control-image", "x"}, {.environment = {"HF_HUB_OFFLINE=1"}}),
                 2, {"org/canny", "HF_HUB_OFFLINE"});
}

TEST_F(HubCommand, AFolderOfThatNameIsNotLookedForElsewhere) {
  const test::TemporaryFolder here;
  fs::create_directories(here / "org");
  expect_refused(run({"info", "org/tiny"}, {.folder = here.path()}), 2, {"org/tiny: no such folder", "impasto download org/tiny"});
  EXPECT_EQ(hub_.requests().size(), 0u);
  EXPECT_EQ(run({"download", "org/tiny"}, {.folder = here.path()}).code, 0);
  EXPECT_EQ(run({"info", "org/tiny"}, {.folder = here.path()}).code, 0);
}

TEST_F(HubCommand, ConvertTakesANameAndFetchesItOnce) {
  const test::TemporaryFolder here;
  const Ran ran = run({"convert", "org/tiny", "-o", here / "a.safetensors"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "Downloading org/tiny")) << ran.err;
  hub_.requests();
  EXPECT_EQ(run({"convert", "org/tiny", "-o", here / "b"}, {.environment = {"HF_HUB_OFFLINE=1"}}).code, 0);
  EXPECT_EQ(convert("org/tiny", here / "c.safetensors").format, "safetensors");  // the library, of what is in the cache
  EXPECT_EQ(hub_.requests().size(), 0u);
  EXPECT_EQ(test::content_of(here / "a.safetensors"), test::content_of(here / "c.safetensors"));
  expect_refused(run({"convert", "org/none", "-o", here / "d"}), 2, {"org/none"});
  EXPECT_ERROR(convert("org/none", here / "d"), not_found, "impasto download org/none");
  EXPECT_EQ(here.names(), (std::vector<std::string>{"a.safetensors", "b", "c.safetensors"}));
}

TEST_F(HubCommand, OfflineNothingIsFetched) {
  expect_refused(run({"info", "org/tiny"}, {.environment = {"HF_HUB_OFFLINE=1"}}), 2, {"org/tiny is not in the cache", "HF_HUB_OFFLINE"});
  EXPECT_EQ(hub_.requests().size(), 0u);
}

TEST_F(HubCommand, OfflineWhatIsHereIsSaidToBe) {
  run({"download", "org/tiny", "-q"});
  const Ran online = run({"download", "org/tiny"}), ran = run({"download", "org/tiny"}, {.environment = {"HF_HUB_OFFLINE=1"}});
  EXPECT_EQ(ran.out, online.out);
  EXPECT_EQ(ran.err.substr(0, 8), "12 files") << ran.err;
  EXPECT_EQ(online.err.substr(online.err.find("12 files")), ran.err);
}

TEST_F(HubCommand, OptionsThatAreNoneAreNamedBeforeAModelThatIsMissing) {
  expect_refused(run({"download", "-x"}), 2, {"unknown option -x"});
  expect_refused(run({"verify", "--jsom"}), 2, {"unknown option --jsom", "did you mean --json?"});
  expect_refused(run({"download"}), 2, {"model is required"});
}

TEST_F(HubCommand, PicturesNameTheModelNotItsCommit) {
  const test::TemporaryFolder here;
  const Ran ran = run({"generate", "a cat", "-m", "org/tiny", "--steps", "1", "-W", "64", "-H", "64", "-o", here / "a.png"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "\ntiny: ")) << ran.err;
  EXPECT_TRUE(has(run({"metadata", here / "a.png"}).out, "Model: tiny,"));
}

TEST_F(HubCommand, ASingleFilesTokenizerIsFetched) {
  const test::TemporaryFolder here;
  fs::copy(test::test_checkpoint("tiny-sd15"), here / "configs", fs::copy_options::recursive);
  fs::remove_all(here / "configs/tokenizer");
  test::write_single_file("tiny-sd15", here / "model.safetensors");
  const std::vector<std::string> draw = {
      "generate", "a cat", "-m",          here / "model.safetensors", "--config", here / "configs", "--steps", "1", "-W", "64", "-H",
      "64",       "-o",    here / "a.png"};
  expect_refused(run(draw), 2, {"came without a tokenizer", "openai/clip-vit-large-patch14", "--tokenizer DIR"});
  expect_refused(run(draw, {.environment = {"HF_HUB_OFFLINE=1"}}), 2, {"came without a tokenizer", "HF_HUB_OFFLINE", "--tokenizer DIR"});
  for (const std::string file : {"vocab.json", "merges.txt"})
    hub_.publish(file, hub_.published("tokenizer/" + file), "openai/clip-vit-large-patch14");
  const Ran ran = run(draw);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "Downloading the tokenizer")) << ran.err;
  EXPECT_FALSE(has(run(draw).err, "Downloading")) << "it stays";
}

TEST_F(HubCommand, LoginKeepsTheTokenForItsOwnerAlone) {
  const Ran ran = run({"login"}, {.input = "hf_good\n"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "Logged in as painter; the token is kept in " + token_file() + "\n");
  EXPECT_EQ(test::content_of(token_file()), "hf_good");
  struct stat s {};
  ASSERT_EQ(::stat(token_file().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  ::chmod(token_file().c_str(), 0644);
  EXPECT_EQ(run({"login"}, {.input = "hf_accepted"}).code, 0);
  ::stat(token_file().c_str(), &s);
  EXPECT_EQ(s.st_mode & 0777, 0600u) << "also where it was open to others before";
  EXPECT_EQ(test::content_of(token_file()), "hf_accepted");
}

TEST_F(HubCommand, LoginMakesFoldersForItsOwnerAlone) {
  const std::string folder = hub_.home() + "/new/er";
  EXPECT_EQ(run({"login", "--no-check"}, {.input = "hf_x", .environment = {"HF_HOME=" + folder}}).code, 0);
  struct stat s {};
  ASSERT_EQ(::stat(folder.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0700u);
}

TEST_F(HubCommand, LoginRefusesWhatTheHubDoesNotKnow) {
  expect_refused(run({"login"}, {.input = "hf_canary\n"}), 2, {"does not know this token", "/settings/tokens"});
  expect_refused(run({"login"}, {.input = "\n"}), 2, {"no token was given"});
  expect_refused(run({"login"}, {.input = "hf_a b\n"}), 2, {"not a token"});
  expect_refused(run({"login"}, {.input = std::string(100'000, 'a')}), 2, {"longer than any token"});
  EXPECT_FALSE(fs::exists(token_file()));
}

TEST_F(HubCommand, LoginWithoutANetworkKeepsTheTokenAndSaysSo) {
  for (const std::string variable : {"HF_HUB_OFFLINE=1", "HF_ENDPOINT=http://127.0.0.1:1"}) {
    const Ran ran = run({"login"}, {.input = "hf_good", .environment = {variable}});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_TRUE(has(ran.err, "could not be checked")) << ran.err;
    EXPECT_EQ(test::content_of(token_file()), "hf_good");
  }
}

TEST_F(HubCommand, LoginDoesNotShowWhatIsTyped) {
  const Ran ran = cli::test::run_on_terminal({"login"}, 80, {}, "not shown): ", "hf_good\n");
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_FALSE(has(ran.out, "hf_good")) << ran.out;
  EXPECT_TRUE(has(ran.out, "Logged in as painter"));
}

TEST_F(HubCommand, LoginDoesNotShowAnEndpointsPassword) {
  for (const char* offline : {"0", "1"}) {
    hub_.variables().set("HF_ENDPOINT", "http://u:s3cret@127.0.0.1:1");
    hub_.variables().set("HF_HUB_OFFLINE", offline);
    const Ran ran = cli::test::run_on_terminal({"login"}, 80, {}, "not shown): ", "hf_good\n");
    EXPECT_FALSE(has(ran.out, "s3cret")) << ran.out;
  }
}

TEST_F(HubCommand, LogoutForgetsTheToken) {
  run({"login"}, {.input = "hf_good"});
  EXPECT_EQ(run({"logout"}).out, "Logged out; " + token_file() + " is removed\n");
  EXPECT_FALSE(fs::exists(token_file()));
  EXPECT_EQ(run({"logout"}).out, "No token was kept\n");
  EXPECT_TRUE(has(run({"logout"}, {.environment = {"HF_TOKEN=hf_good"}}).err, "HF_TOKEN holds a token"));
}

TEST_F(HubCommand, LogoutForgetsTheTokenBehindALink) {
  const test::TemporaryFolder elsewhere;
  elsewhere.write("secret", "");
  fs::create_symlink(elsewhere / "secret", token_file());
  run({"login"}, {.input = "hf_good"});
  EXPECT_EQ(test::content_of(elsewhere / "secret"), "hf_good");
  EXPECT_EQ(run({"logout"}).code, 0);
  EXPECT_TRUE(elsewhere.names().empty());
  EXPECT_FALSE(fs::is_symlink(token_file()));
}

TEST_F(HubCommand, LogoutLeavesWhatIsNoTokensFile) {
  fs::create_directories(token_file());
  expect_refused(run({"logout"}), 1, {token_file(), "no file that could hold a token"});
  EXPECT_TRUE(fs::is_directory(token_file()));
  fs::remove(token_file());
  fs::create_symlink("/dev/null", token_file());
  EXPECT_EQ(run({"logout"}).code, 0);
  EXPECT_TRUE(fs::exists("/dev/null"));
}

TEST_F(HubCommand, LoginDoesNotShowWhatItIsGiven) {
  for (const std::vector<std::string>& given : {std::vector<std::string>{"hf_canary"},
                                                {"--token", "hf_canary"},
                                                {"--token=hf_canary"},
                                                {"-tf_canary"},
                                                {"--hf_canary"},
                                                {"--no-check=hf_canary"}}) {
    for (const char* command : {"login", "logout"}) {
      std::vector<std::string> arguments = given;
      arguments.insert(arguments.begin(), command);
      const Ran ran = run(arguments, {.input = "hf_good"});
      EXPECT_FALSE(has(ran.out + ran.err, "canary")) << ran.err;
      expect_refused(ran, 2, {command == std::string("login") ? "impasto login < FILE" : "logout takes no arguments"});
    }
  }
  EXPECT_FALSE(fs::exists(token_file()));
}

TEST_F(HubCommand, TheTokenIsInNoOutput) {
  hub_.misbehave({{"gated", true}});
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"download", "org/tiny"},
                                                    {"download", "org/tiny", "--json"},
                                                    {"info", "org/tiny"},
                                                    {"login"},
                                                    {"logout"},
                                                    {"verify", "org/tiny"}}) {
    const Ran ran = run(arguments, {.input = "hf_canary", .environment = {"HF_TOKEN=hf_canary"}});
    EXPECT_FALSE(has(ran.out + ran.err, "hf_canary")) << arguments[0] << ran.out << ran.err;
  }
}

TEST_F(HubCommand, SignedAddressesAreInNoOutput) {
  for (const Json& fault :
       {Json{{"flip", 5}}, Json{{"longer", 5}}, Json{{"redirect", "ftp://127.0.0.1/x?X-Signature=s3cret"}}, Json{{"status", 404}}}) {
    hub_.misbehave_for_file("unet/diffusion_pytorch_model.safetensors", fault);
    const Ran ran = run({"download", "org/tiny"});
    EXPECT_NE(ran.code, 0);
    EXPECT_FALSE(has(ran.out + ran.err, "s3cret")) << ran.err;
    EXPECT_FALSE(has(ran.out + ran.err, "X-Signature")) << ran.err;
  }
}

#ifdef IMPASTO_NO_LOCKS
TEST_F(HubCommand, ManyAtOnceAreSafeWhereLocksLockNothing) {
  hub_.publish("unet/diffusion_pytorch_model.safetensors", test::noise(1 << 20));
  for (int round = 0; round < 5; ++round) {
    fs::remove_all(hub_.cache());
    std::vector<Ran> ran(16);
    {
      std::vector<std::jthread> threads;
      for (Ran& r : ran) threads.emplace_back([&] { r = run({"download", "org/tiny", "-q"}, {.environment = {"LD_PRELOAD=" IMPASTO_NO_LOCKS}}); });
    }
    for (const Ran& r : ran) EXPECT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(hub_.damage(), "");
    EXPECT_TRUE(cached_model("org/tiny"));
  }
}
#endif

TEST_F(HubCommand, VerifyNamesEachDamagedFile) {
  run({"download", "org/tiny", "-q"});
  const Ran good = run({"verify", "org/tiny"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(has(good.out, "12 files")) << good.out;
  const std::string folder = find_model("org/tiny");
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_symlink()) continue;
    const std::string blob = fs::canonical(entry.path()).string(), content = test::content_of(blob);
    const std::string path = entry.path().lexically_relative(folder).string();
    std::string flipped = content;
    flipped[flipped.size() / 2] ^= 1;
    std::ofstream(blob, std::ios::binary) << flipped;
    expect_refused(run({"verify", "org/tiny", "-q"}), 2, {"damaged: " + path + ";", "impasto download org/tiny --verify"});
    expect_refused(run({"info", "org/tiny", "--verify"}), 2, {"damaged: " + path});
    std::ofstream(blob, std::ios::binary) << content;
  }
  EXPECT_EQ(run({"info", "org/tiny", "--verify"}).code, 0);
  fs::remove(fs::canonical(folder + "/vae/config.json"));
  expect_refused(run({"verify", "org/tiny", "-q"}), 2, {"damaged: vae/config.json;"});
  EXPECT_EQ(run({"download", "org/tiny", "--verify"}).code, 0);
  EXPECT_EQ(run({"verify", "org/tiny"}).code, 0);
}

TEST_F(HubCommand, VerifyWarnsOfFilesThatOthersMayReplace) {
  run({"download", "org/tiny", "-q"});
  const std::string folder = find_model("org/tiny");
  ::chmod(fs::canonical(folder + "/unet/config.json").c_str(), 0666);
  const Ran ran = run({"verify", "org/tiny", "--json"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(has(ran.err, "others may write to unet/config.json")) << ran.err;
  EXPECT_EQ(Json::parse(ran.out).at("writable_by_others"), Json::array({"unet/config.json"}));
}

TEST_F(HubCommand, VerifyRefusesWhatIsNoLinkToPublishedContent) {
  run({"download", "org/tiny", "-q"});
  const std::string folder = find_model("org/tiny"), unet = "unet/diffusion_pytorch_model.safetensors";
  const auto expect_named = [&](const std::string& path) {
    expect_refused(run({"verify", "org/tiny", "-q"}), 2, {"what they should hold: " + path + ";", "impasto download org/tiny --verify"});
    expect_refused(run({"info", "org/tiny", "--verify"}), 2, {path});
  };
  const auto expect_mended = [&] {
    EXPECT_EQ(run({"download", "org/tiny", "--verify", "-q"}).code, 0);
    EXPECT_EQ(run({"verify", "org/tiny", "-q"}).code, 0);
  };
  std::string content = test::content_of(folder + "/" + unet);
  content[content.size() / 2] ^= 1;
  fs::remove(folder + "/" + unet);
  std::ofstream(folder + "/" + unet, std::ios::binary) << content;
  expect_named(unet);
  expect_mended();
  const std::string outside = fs::path(hub_.home()) / fs::canonical(folder + "/vae/config.json").filename();
  std::ofstream(outside) << "a file elsewhere, named as a blob is";
  fs::remove(folder + "/vae/config.json");
  fs::create_symlink(outside, folder + "/vae/config.json");
  expect_named("vae/config.json");
  expect_mended();
  std::ofstream(folder + "/evil.txt") << "more";
  expect_named("evil.txt");
}

TEST_F(HubCommand, VerifyOfWhatIsNotHereSaysSo) { expect_refused(run({"verify", "org/tiny"}), 2, {"not in the cache", "impasto download org/tiny"}); }

}  // namespace
}  // namespace impasto
