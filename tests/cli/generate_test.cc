// From a prompt to files, with the small checkpoint.
#include <csignal>
#include <fstream>
#include <iterator>
#include <regex>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "image/png_reader.h"
#include "support/temporary_folder.h"

namespace impasto::cli {
namespace {

using ::impasto::test::TemporaryFolder;
using nlohmann::json;
using test::Ran;
using test::Setting;

const std::string kModel = IMPASTO_TEST_DATA "/checkpoints/tiny-sd15";

constexpr int kLong = 900;  // steps; takes seconds, so that an interrupt comes in time

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::uint8_t> contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Generate : public ::testing::Test {
 protected:
  /// `impasto generate --model ... --steps 2 more...` in the test's own folder.
  std::vector<std::string> arguments(const std::vector<std::string>& more, int steps = 2) const {
    std::vector<std::string> all = {"generate", "--model", kModel, "--steps", std::to_string(steps)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Setting here(Setting setting = {}) const {
    setting.folder = folder_.path();
    return setting;
  }
  Ran run(const std::vector<std::string>& more, const Setting& setting = {}) const { return test::run(arguments(more), here(setting)); }

  /// The file holds one picture of that size with one text.
  void expect_picture(const std::string& name, int width = 96, int height = 96) const {
    const auto got = ::impasto::test::decode(contents(folder_ / name));
    EXPECT_EQ(got.image.width, width) << name;
    EXPECT_EQ(got.image.height, height) << name;
    ASSERT_EQ(got.text.size(), 1u);
    EXPECT_EQ(got.text[0].keyword, "parameters");
  }

  TemporaryFolder folder_;
};

TEST_F(Generate, WritesAPictureAndTellsItsName) {
  const Ran ran = run({"--prompt", "a cat", "--seed", "5"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "impasto-5.png\n");
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"impasto-5.png"});
  expect_picture("impasto-5.png");
  for (const std::string part : {"tiny-sd15", "PNDMScheduler", "96 x 96", "seed 5", "Loading", "Drawing", "Decoding", "in all", "peak memory"}) {
    EXPECT_TRUE(has(ran.err, part)) << part << " in\n" << ran.err;
  }
  EXPECT_FALSE(has(ran.err, "\r")) << "no bar in a log";
}

TEST_F(Generate, TheSettingsAreInThePicture) {
  ASSERT_EQ(run({"-p", "a cat\nat night: \u732b", "-n", "dogs", "-s", "5", "--cfg-scale", "3.5", "--scheduler", "EulerDiscreteScheduler", "--karras",
                 "--clip-skip", "1", "-W", "72", "-H", "40", "-o", "a.png"})
                .code,
            0);
  expect_picture("a.png", 72, 40);
  EXPECT_EQ(::impasto::test::decode(contents(folder_ / "a.png")).text.at(0).value,
            "a cat\nat night: \u732b\nNegative prompt: dogs\nSteps: 2, Sampler: Euler, Schedule type: Karras, CFG scale: 3.5, Seed: 5, Size: 72x40, "
            "Model: tiny-sd15, Clip skip: 2, RNG: CPU, Version: impasto 0.1.0");
}

TEST_F(Generate, TheSameSeedGivesTheSameFile) {
  ASSERT_EQ(run({"-p", "a cat", "-s", "5", "-o", "a.png"}).code, 0);
  ASSERT_EQ(run({"-p", "a cat", "-s", "5", "-o", "b.png", "-t", "1"}).code, 0);
  ASSERT_EQ(run({"-p", "a cat", "-s", "6", "-o", "c.png"}).code, 0);
  EXPECT_EQ(contents(folder_ / "a.png"), contents(folder_ / "b.png"));
  EXPECT_NE(contents(folder_ / "a.png"), contents(folder_ / "c.png"));
}

TEST_F(Generate, DrawsWithAdaptersAndRecordsThemAsTags) {
  const std::string folder = IMPASTO_TEST_DATA "/adapters";
  ASSERT_EQ(run({"a cat", "-s", "5", "-o", "plain.png"}).code, 0);
  ASSERT_EQ(run({"a cat", "-s", "5", "-o", "file.png", "--lora", folder + "/lora_kohya.safetensors:0.5"}).code, 0);
  ASSERT_EQ(run({"a cat <lora:lora_kohya:0.5>", "-s", "5", "-o", "tag.png", "--lora-dir", folder}).code, 0);
  const Ran again = run({"--from", "file.png", "--lora-dir", folder, "-o", "again.png"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(contents(folder_ / "plain.png"), contents(folder_ / "file.png"));
  EXPECT_EQ(contents(folder_ / "tag.png"), contents(folder_ / "file.png"));
  EXPECT_EQ(contents(folder_ / "again.png"), contents(folder_ / "file.png"));
  EXPECT_TRUE(::impasto::test::decode(contents(folder_ / "file.png")).text.at(0).value.starts_with("a cat <lora:lora_kohya:0.5>\n"));
}

TEST_F(Generate, FollowsAPictureWithAControlNet) {
  const std::string net = IMPASTO_TEST_DATA "/adapters/controlnet", picture = IMPASTO_TEST_DATA "/pictures/rgb.png";
  ASSERT_EQ(run({"a cat", "-s", "5", "-o", "plain.png", "-q"}).code, 0);
  const Ran led = run({"a cat", "-s", "5", "-o", "led.png", "--controlnet", net, "--control-image", picture, "--control-scale", "0.7"});
  ASSERT_EQ(led.code, 0) << led.err;
  EXPECT_NE(::impasto::test::decode(contents(folder_ / "led.png")).image.pixels,
            ::impasto::test::decode(contents(folder_ / "plain.png")).image.pixels);
  ASSERT_EQ(run({"a cat", "-s", "5", "-o", "two.png", "--controlnet", net, "--control-image", picture, "--controlnet", net, "--control-image",
                 picture, "--control-scale", "0.7", "--control-scale", "0"})
                .code,
            0);
  EXPECT_EQ(::impasto::test::decode(contents(folder_ / "two.png")).image.pixels, ::impasto::test::decode(contents(folder_ / "led.png")).image.pixels);
}

TEST_F(Generate, SaysWhatIsWrongWithAControlNet) {
  const std::string net = IMPASTO_TEST_DATA "/adapters/controlnet", picture = IMPASTO_TEST_DATA "/pictures/rgb.png";
  const auto message = [&](const std::vector<std::string>& more) {
    const Ran ran = run(more);
    EXPECT_NE(ran.code, 0);
    return ran.err;
  };
  EXPECT_TRUE(has(message({"a cat", "--controlnet", net}), "--control-image"));
  EXPECT_TRUE(has(message({"a cat", "--control-scale", "0.5"}), "--controlnet"));
  EXPECT_TRUE(has(message({"a cat", "--controlnet", "none", "--control-image", picture}), "none"));
  EXPECT_TRUE(has(message({"a cat", "--controlnet", net, "--control-image", "none.png"}), "none.png"));
  EXPECT_TRUE(has(message({"a cat", "--controlnet", net, "--control-image", picture, "--control-stop", "2"}), "controls[0]"));
  EXPECT_TRUE(
      has(message({"a cat", "--controlnet", net, "--control-image", picture, "--control-stop", "1", "--control-stop", "0.5"}), "one for each"));
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(Generate, AdaptersOfTagsAndOfFilesAreDrawnAgainInTheirOrder) {
  const std::string folder = IMPASTO_TEST_DATA "/adapters";
  ASSERT_EQ(
      run({"a cat <lora:lokr:1>", "-s", "5", "-q", "-o", "first.png", "--lora-dir", folder, "--lora", folder + "/lora_dora.safetensors:0.7"}).code,
      0);
  ASSERT_EQ(run({"--from", "first.png", "--lora-dir", folder, "-q", "-o", "again.png"}).code, 0);
  EXPECT_EQ(contents(folder_ / "first.png"), contents(folder_ / "again.png"));
}

TEST_F(Generate, AnAdapterWhoseNameIsNoTagIsDrawnWithAndNotRecorded) {
  std::filesystem::copy(IMPASTO_TEST_DATA "/adapters/lokr.safetensors", folder_ / "a:b.safetensors");
  const Ran ran = run({"a cat", "-s", "5", "-q", "-o", "cat.png", "--lora", "a:b.safetensors"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "a:b.safetensors")) << ran.err;
  EXPECT_TRUE(::impasto::test::decode(contents(folder_ / "cat.png")).text.at(0).value.starts_with("a cat\n"));
}

TEST_F(Generate, TakesAPictureAsPromptWithAnIpAdapter) {
  const std::string folder = IMPASTO_TEST_DATA "/ip_adapters", picture = IMPASTO_TEST_DATA "/pictures/rgb.png";
  const std::vector<std::string> shown = {"a cat", "-s", "5", "-q", "--ip-adapter-image", picture};
  const auto pixels = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> all = shown;
    all.insert(all.end(), {"-o", name});
    all.insert(all.end(), more.begin(), more.end());
    const Ran ran = run(all);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ::impasto::test::decode(contents(folder_ / name)).image.pixels;
  };
  ASSERT_EQ(run({"a cat", "-s", "5", "-o", "plain.png", "-q"}).code, 0);
  const auto half = pixels("half.png", {"--ip-adapter", folder + "/plain.safetensors:0.5"});
  EXPECT_NE(half, ::impasto::test::decode(contents(folder_ / "plain.png")).image.pixels);
  EXPECT_NE(half, pixels("whole.png", {"--ip-adapter", folder + "/plain.safetensors"}));
  EXPECT_EQ(half, pixels("encoder.png", {"--ip-adapter", folder + "/plain.bin:0.5", "--image-encoder", folder + "/image_encoder"}));
  EXPECT_EQ(half, pixels("two.png", {"--ip-adapter", folder + "/plain.safetensors:0.5", "--ip-adapter", folder + "/plus.safetensors:0",
                                     "--ip-adapter-image", picture}));
  const Ran again = run({"--from", "half.png", "-o", "again.png", "--ip-adapter", folder + "/plain.safetensors", "--ip-adapter-image", picture});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_FALSE(has(again.err, "named again")) << again.err;
  EXPECT_TRUE(has(run({"--from", "half.png", "-o", "without.png"}).err, "named again"));
  EXPECT_EQ(half, ::impasto::test::decode(contents(folder_ / "again.png")).image.pixels);
}

TEST_F(Generate, SaysWhatIsWrongWithAnIpAdapter) {
  const std::string adapter = IMPASTO_TEST_DATA "/ip_adapters/plain.safetensors", picture = IMPASTO_TEST_DATA "/pictures/rgb.png";
  const auto message = [&](const std::vector<std::string>& more) {
    const Ran ran = run(more);
    EXPECT_NE(ran.code, 0);
    return ran.err;
  };
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", adapter}), "--ip-adapter-image"));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter-image", picture}), "there is none"));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", adapter, "--ip-adapter", adapter, "--ip-adapter-image", picture}), "2 IP-Adapters"));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", "none:0.5", "--ip-adapter-image", picture}), "--ip-adapter: there is no file \"none\""));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", adapter, "--ip-adapter-image", "none.png"}), "none.png"));
  const std::vector<std::uint8_t> whole = contents(picture);
  folder_.write("cut.png", std::string(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2)));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", adapter, "--ip-adapter-image", "cut.png"}), "cut.png"));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", adapter, "--ip-adapter-image", picture, "--image-encoder", "none"}), "none: no such folder"));
  EXPECT_TRUE(has(message({"a cat", "--ip-adapter", IMPASTO_TEST_DATA "/ip_adapters/face.safetensors", "--ip-adapter-image", picture}), "FaceID"));
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"cut.png"});
}

TEST_F(Generate, SaysWhatIsWrongWithAnAdapter) {
  const std::string folder = IMPASTO_TEST_DATA "/adapters";
  const auto message = [&](const std::vector<std::string>& more) {
    const Ran ran = run(more);
    EXPECT_NE(ran.code, 0);
    return ran.err;
  };
  EXPECT_TRUE(has(message({"a cat <lora:ink>"}), "--lora-dir"));
  EXPECT_TRUE(has(message({"a cat <lora:ink>", "--lora-dir", folder}), "lora_kohya"));
  EXPECT_TRUE(has(message({"a cat <lora:ink:x>", "--lora-dir", folder}), "<lora:NAME:SCALE>"));
  EXPECT_TRUE(has(message({"a cat", "--lora", "none.safetensors"}), "none.safetensors"));
  EXPECT_TRUE(has(message({"a cat", "--lora", folder + "/lokr.safetensors:nan"}), "\"nan\" is not a number"));
  EXPECT_TRUE(has(message({"a cat", "--lora", folder + "/lora_other.safetensors"}), "made for another model"));
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(Generate, WithoutASeedEachPictureHasItsOwn) {
  EXPECT_NE(run({"x", "-q"}).out, run({"x", "-q", "--seed", "-1"}).out);
  EXPECT_EQ(folder_.names().size(), 2u);
}

TEST_F(Generate, SeveralPicturesAreNumberedAndEqualTheOnesDrawnAlone) {
  const Ran ran = run({"x", "-s", "5", "-b", "2", "-o", "a.png", "-q"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "a-1.png\na-2.png\n");
  ASSERT_EQ(run({"x", "-s", "6", "-o", "alone.png", "-q"}).code, 0);
  EXPECT_EQ(contents(folder_ / "a-2.png"), contents(folder_ / "alone.png"));
}

TEST_F(Generate, NamedFilesAreOverwrittenAndGeneratedNamesNeverAre) {
  for (int i = 0; i < 2; ++i) ASSERT_EQ(run({"x", "-s", "5", "-o", "a.png", "-q"}).code, 0);
  std::filesystem::create_directory(folder_ / "pics");
  EXPECT_EQ(run({"x", "-s", "5", "-o", "pics", "-q"}).out, "pics/impasto-5.png\n");
  EXPECT_EQ(run({"x", "-s", "5", "-o", "pics/", "-q"}).out, "pics/impasto-5-2.png\n");
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"a.png", "pics"}));
}

TEST_F(Generate, ThePromptMayComeFromAFileOrStandardInput) {
  std::ofstream(folder_ / "prompt.txt") << "a cat at night\r\n";
  ASSERT_EQ(run({"a cat at night", "-s", "5", "-o", "a.png"}).code, 0);
  ASSERT_EQ(run({"--prompt-file", "prompt.txt", "-s", "5", "-o", "b.png"}).code, 0);
  ASSERT_EQ(run({"--prompt", "-", "-s", "5", "-o", "c.png"}, {.input = "a cat at night\n"}).code, 0);
  EXPECT_EQ(contents(folder_ / "a.png"), contents(folder_ / "b.png"));
  EXPECT_EQ(contents(folder_ / "a.png"), contents(folder_ / "c.png"));
}

TEST_F(Generate, PromptsThatLookLikeOptionsOrCommandsOrNothingAreDrawn) {
  for (const std::string prompt : {"", "--steps", "-n", "info", "[a, b]", "\"q\"", "%s{}"}) {
    EXPECT_EQ(run({"-q", "-s", "1", "-o", "a.png", "--prompt", prompt}).code, 0) << prompt;
    EXPECT_EQ(::impasto::test::decode(contents(folder_ / "a.png")).text.at(0).value.rfind(prompt, 0), 0u) << prompt;
  }
  EXPECT_EQ(run({"-q", "-s", "1", "-o", "a.png", "--prompt=", "--negative-prompt="}).code, 0);
  EXPECT_EQ(run({"-q", "-s", "1", "-o", "a.png", "info"}).code, 0);
}

TEST_F(Generate, QuietSaysOnlyTheName) {
  const Ran ran = run({"x", "-s", "5", "--quiet"});
  EXPECT_EQ(ran.out, "impasto-5.png\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(Generate, JsonHoldsPicturesSettingsTimesAndWarnings) {
  std::string prompt;
  for (int i = 0; i < 100; ++i) prompt += "cat ";
  const Ran ran = run({"-p", prompt, "-s", "18446744073709551614", "-b", "2", "--cfg-scale", "7.3", "--json", "--quiet"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.find('\n'), ran.out.size() - 1) << "one line";
  const json report = json::parse(ran.out);
  EXPECT_EQ(report.at("images"), json::parse(R"([{"path": "impasto-18446744073709551614.png", "seed": 18446744073709551614},
                                                 {"path": "impasto-18446744073709551615.png", "seed": 18446744073709551615}])"));
  EXPECT_EQ(report.at("settings").at("prompt"), prompt);
  EXPECT_EQ(report.at("settings").at("guidance_scale"), 7.3);
  EXPECT_EQ(report.at("settings").at("num_inference_steps"), 2);
  EXPECT_EQ(report.at("settings").at("scheduler"), "PNDMScheduler");
  for (const std::string part : {"load", "text_encoder", "step", "vae_decoder", "total"}) EXPECT_GE(report.at("seconds").at(part), 0) << part;
  EXPECT_GT(report.at("peak_memory_bytes"), 1'000'000);
  ASSERT_EQ(report.at("warnings").size(), 1u) << "the prompt is longer than the text encoder reads";
  EXPECT_TRUE(has(ran.err, "warning: ")) << "a cut prompt is said even when quiet";
}

TEST_F(Generate, BadSettingsAreRefusedByNameAndLeaveNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {{{"--steps", "0"}, "num_inference_steps"},
                                                                               {{"--steps", "-1"}, "num_inference_steps"},
                                                                               {{"--steps", "1001"}, "num_inference_steps"},
                                                                               {{"--cfg-scale", "nan"}, "guidance_scale"},
                                                                               {{"--cfg-scale", "inf"}, "guidance_scale"},
                                                                               {{"--cfg-scale", "-1"}, "guidance_scale"},
                                                                               {{"-W", "100"}, "width"},
                                                                               {{"-W", "-8"}, "width"},
                                                                               {{"-H", "4"}, "height"},
                                                                               {{"-W", "2147483640"}, "width"},
                                                                               {{"-b", "0"}, "--num-images"},
                                                                               {{"-b", "-1"}, "--num-images"},
                                                                               {{"-b", "2147483647"}, "--num-images"},
                                                                               {{"--guidance-rescale", "2"}, "guidance_rescale"},
                                                                               {{"--eta", "-0.5"}, "eta"},
                                                                               {{"--clip-skip", "-1"}, "clip_skip"},
                                                                               {{"--clip-skip", "99"}, "clip_skip"},
                                                                               {{"--scheduler", "nonesuch"}, "nonesuch"},
                                                                               {{"--device", "toaster"}, "toaster"},
                                                                               {{"--device", "cuda:x"}, "cuda:x"},
                                                                               {{"--device", "cuda:999"}, "CUDA"},
                                                                               {{"--device", "unet=cpu,vea=cpu"}, "vea=cpu"},
                                                                               {{"--device", "vae=toaster"}, "toaster"},
                                                                               {{"--dtype", "float16", "--device", "reference"}, "float16"},
                                                                               {{"--dtype", "unet=int8"}, "int8"},
                                                                               {{"--dtype", "float1"}, "float1"},
                                                                               {{"-t", "-3"}, "threads"},
                                                                               {{"-n", "\xff"}, "--negative-prompt: \"\\xff\" is not valid UTF-8"},
                                                                               {{"--prompt-2", "\xff"}, "--prompt-2: "},
                                                                               {{"-p", "a\xc3"}, "--prompt: \"a\\xc3\" is not valid UTF-8"}};
  for (const auto& [more, name] : wrong) {
    std::vector<std::string> all = {"-p", "x", "-q", "-s", "1", "-o", "a.png"};
    all.insert(all.end(), more.begin(), more.end());
    const Ran ran = run(all);
    EXPECT_EQ(ran.code, 2) << more[0] << " " << more[1] << ": " << ran.err;
    EXPECT_TRUE(has(ran.err, name)) << more[0] << " " << more[1] << ": " << ran.err;
    EXPECT_TRUE(folder_.names().empty());
  }
}

TEST_F(Generate, ABadPlaceForThePictureIsSaidBeforeTheDrawing) {
  for (const std::string place : {"no/a.png", "no/", "a.gif"}) {
    const Ran ran = run({"x", "-o", place});
    EXPECT_EQ(ran.code, 2) << place;
    EXPECT_TRUE(has(ran.err, "--output: ")) << ran.err;
    EXPECT_FALSE(has(ran.err, "Drawing")) << ran.err;
  }
}

/// Makes the test's folder a small or read-only file system of its own, in the new process only. Leaves the process where it cannot.
constexpr int kCannot = 96;
void mount_here(const std::string& folder, const char* options, bool read_only) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(kCannot);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", read_only ? MS_RDONLY : 0, options) != 0 || ::chdir(folder.c_str()) != 0) ::_exit(kCannot);
}

TEST_F(Generate, AReadOnlyFolderIsSaidBeforeTheDrawing) {
  const Ran ran = run({"x", "-o", "a.png"}, {.prepare = [&] { mount_here(folder_.path(), "size=1m", /*read_only=*/true); }});
  if (ran.code == kCannot) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(ran.err, "--output: ") && has(ran.err, "Read-only")) << ran.err;
  EXPECT_FALSE(has(ran.err, "Drawing"));
}

TEST_F(Generate, AFullDiskIsSaidBeforeTheDrawing) {
  const auto fill = [&] {
    mount_here(folder_.path(), "size=64k", /*read_only=*/false);
    std::ofstream("filler") << std::string(100'000, 'x');
  };
  const Ran ran = run({"x", "-o", "a.png"}, {.prepare = fill});
  if (ran.code == kCannot) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(ran.err, "full disk: 0 bytes left")) << ran.err;
  EXPECT_FALSE(has(ran.err, "Drawing"));
}

TEST_F(Generate, APictureThatCannotBeWrittenIsSavedElsewhere) {
  const TemporaryFolder rescue;
  const auto almost_fill = [&] {  // room for what the check asks for, but not for the picture
    mount_here(folder_.path(), "size=16k", /*read_only=*/false);
    std::ofstream("filler") << std::string(8'000, 'x');
  };
  const Ran ran = run({"x", "-s", "5", "-o", "a.png"}, {.environment = {"TMPDIR=" + rescue.path()}, .prepare = almost_fill});
  if (ran.code == kCannot) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_TRUE(has(ran.err, "No space left on device") && has(ran.err, "saved as " + (rescue / "impasto-5.png"))) << ran.err;
  EXPECT_EQ(rescue.names(), std::vector<std::string>{"impasto-5.png"});
}

TEST_F(Generate, AFullDeviceIsAnError) {
  const TemporaryFolder rescue;
  const Ran ran = run({"x", "-s", "5", "-o", "/dev/full", "--json", "-q"}, {.environment = {"TMPDIR=" + rescue.path()}});
  EXPECT_EQ(ran.code, 1);
  const json report = json::parse(ran.out);
  EXPECT_EQ(report.at("exit_code"), 1);
  EXPECT_EQ(report.at("error").at("kind"), "io");
  EXPECT_TRUE(has(report.at("error").at("message"), "/dev/full"));
}

TEST_F(Generate, ClosedStandardStreamsDoNotLeakMessagesIntoThePicture) {
  ASSERT_EQ(run({"x", "-s", "5", "-o", "a.png"}).code, 0);
  const auto close_all = [] {
    for (const int fd : {0, 1, 2}) ::close(fd);
  };
  EXPECT_EQ(run({"x", "-s", "5", "-o", "b.png"}, {.prepare = close_all}).code, 0);
  EXPECT_EQ(contents(folder_ / "a.png"), contents(folder_ / "b.png"));
}

TEST_F(Generate, OneStreamOfNoiseIsOneSeedInTheNames) {
  const Ran ran = run({"x", "-s", "5", "-b", "2", "--shared-generator", "-q"});
  EXPECT_EQ(ran.out, "impasto-5.png\nimpasto-5-2.png\n") << ran.err;
  EXPECT_EQ(run({"x", "-s", "5", "-b", "2", "--shared-generator", "-q", "-o", "{seed}.png"}).code, 2) << "two pictures with one name";
}

TEST_F(Generate, OneInterruptStopsWithinAStepAndLeavesNoFile) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const Ran ran = test::run_and_signal(arguments({"x", "-o", "a.png"}, kLong), "Drawing", signal, here());
    EXPECT_EQ(ran.code, 1) << ran.err;
    EXPECT_TRUE(has(ran.err, "stopped; no picture was written")) << ran.err;
    EXPECT_FALSE(has(ran.err, std::to_string(kLong) + " steps of"));
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(folder_.names().empty());
  }
}

TEST_F(Generate, AnInterruptWhileLoadingOrDecodingStopsToo) {
  for (const std::string phase : {"Loading", "Decoding"}) {
    const Ran ran = test::run_and_signal(arguments({"x", "-o", "a.png", "-W", "1024", "-H", "1024"}, 1), phase, SIGINT, here());
    EXPECT_EQ(ran.code, 1) << phase << ran.err;
    EXPECT_TRUE(has(ran.err, "stopped; no picture was written")) << phase << ran.err;
    EXPECT_TRUE(folder_.names().empty()) << phase;
  }
}

TEST_F(Generate, WrongOptionsAreRefusedBeforeTheModelIsLoaded) {
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--scheduler", "best"}, {"-W", "12"}, {"--steps", "0"}, {"--clip-skip", "99"}}) {
    const Ran ran = run({"x", wrong[0], wrong[1]});
    EXPECT_EQ(ran.code, 2) << wrong[0] << ran.err;
    EXPECT_TRUE(has(ran.err, wrong[1])) << ran.err;
    EXPECT_FALSE(has(ran.err, "Loading")) << ran.err;
  }
}

TEST_F(Generate, MappedWeightsGiveTheSameFile) {
  ASSERT_EQ(run({"x", "-s", "5", "-o", "a.png"}).code, 0);
  ASSERT_EQ(run({"x", "-s", "5", "-o", "b.png", "--mmap"}).code, 0);
  EXPECT_EQ(contents(folder_ / "a.png"), contents(folder_ / "b.png"));
}

TEST_F(Generate, AnInterruptKeepsTheOldPicture) {
  std::ofstream(folder_ / "a.png") << "old";
  test::run_and_signal(arguments({"x", "-o", "a.png"}, kLong), "Drawing", SIGINT, here());
  EXPECT_EQ(contents(folder_ / "a.png").size(), 3u);
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"a.png"});
}

TEST_F(Generate, CancellingIsJsonToo) {
  const Ran ran = test::run_and_signal(arguments({"x", "--json"}, kLong), "Drawing", SIGINT, here());
  EXPECT_EQ(json::parse(ran.out).at("error").at("kind"), "cancelled");
}

TEST_F(Generate, ATerminalGetsOneLineThatIsRedrawnWithinItsWidth) {
  for (const int columns : {80, 40}) {
    const Ran ran = test::run_on_terminal(arguments({"x", "-s", "5", "-o", "a.png"}, 10), columns, here());
    EXPECT_EQ(ran.code, 0) << ran.out;
    const std::regex bar("\r(Drawing[^\r\n]*)\x1b\\[K");
    int lines = 0;
    for (std::sregex_iterator it(ran.out.begin(), ran.out.end(), bar), end; it != end; ++it, ++lines) {
      EXPECT_LE((*it)[1].length(), columns - 3);
      EXPECT_TRUE(has((*it)[1], "[") && has((*it)[1], "]")) << "a bar";
    }
    EXPECT_GE(lines, 10) << "one for each step";
    EXPECT_FALSE(has(ran.out, "/10\n") || has(ran.out, "left\r\n")) << "the bar never ends a line";
    EXPECT_TRUE(has(ran.out, "\r\x1b[Ka.png\r\n")) << "the bar is taken away before the name is told\n" << ran.out;
  }
}

TEST_F(Generate, CtrlCOnATerminalStops) {
  const Ran ran = test::run_on_terminal(arguments({"x", "-o", "a.png"}, kLong), 80, here(), "Drawing", "\x03");
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.out, "stopped; no picture was written")) << ran.out;
  EXPECT_TRUE(folder_.names().empty());
}

}  // namespace
}  // namespace impasto::cli
