// Every allocation fails once: each call either succeeds or says that memory is missing, and the next call is as good as new.
#include <climits>
#include <cstdio>
#include <functional>

#include "impasto/impasto.h"
#include "support/expect_error.h"
#include "support/failing_allocations.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace impasto::test {
namespace {

/// Numbers of allocations to fail: all of the first, then some evenly spread over the rest.
std::vector<std::int64_t> sample(std::int64_t all) {
  constexpr std::int64_t kFirst = 50, kSpread = 30;
  std::vector<std::int64_t> some;
  for (std::int64_t n = 1; n <= all; n += n < kFirst ? 1 : std::max<std::int64_t>(1, (all - kFirst) / kSpread)) some.push_back(n);
  return some;
}

/// Fails allocations of `action` one by one, in both ways. `check` runs after each failure.
void sweep(const std::function<void()>& action, const std::function<void()>& check) {
  action();  // what is made once, such as threads, is there
  std::int64_t all = 0;
  {
    const FailingAllocations counting(0);
    action();
    all = counting.count();
  }
  ASSERT_GT(all, 5);
  int failed = 0;
  const auto attempt = [&](std::int64_t n, Failure failure) {
    SCOPED_TRACE("allocation " + std::to_string(n) + " of " + std::to_string(all) + (failure == Failure::once ? ", once" : ", and all that follow"));
    std::optional<Error> error;
    try {
      const FailingAllocations failing(n, failure);
      action();
    } catch (const Error& e) {
      error = e;
    } catch (const std::exception& e) {
      ADD_FAILURE() << "not one of our errors: " << e.what();
    }
    failed += error.has_value();
    if (error) {
      EXPECT_EQ(error->kind(), ErrorKind::out_of_memory) << error->what();
      EXPECT_NE(std::string(error->what()).find("alloc"), std::string::npos) << error->what();
    }
    check();
  };
  for (const std::int64_t n : sample(all)) {
    attempt(n, Failure::once);
    attempt(n, Failure::forever);
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(failed, 10);
}

TextToImageOptions small_picture() {
  TextToImageOptions options;
  options.prompt = "a boat at sunset";
  options.num_inference_steps = 1;
  options.seed = 7;
  options.scheduler = "euler_a";  // draws noise at every step
  options.height = options.width = 16;
  return options;
}

TEST(OutOfMemory, DrawingSaysSoAndTheNextPictureIsRight) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const TextToImageOptions options = small_picture();
  const auto expected = pipeline.text_to_image(options).images[0].pixels;
  sweep([&] { static_cast<void>(pipeline.text_to_image(options)); }, [&] { ASSERT_EQ(pipeline.text_to_image(options).images[0].pixels, expected); });
}

TEST(OutOfMemory, LoadingSaysSo) {
  const std::string path = test_checkpoint("tiny-sd21");
  sweep([&] { static_cast<void>(Pipeline::load(path)); }, [] {});
}

TEST(OutOfMemory, LookingAtAModelSaysSo) {
  const std::string path = test_checkpoint("tiny-sd15");
  sweep([&] { static_cast<void>(predicted_peak_memory(inspect(path), 64, 64, 1)); }, [] {});
}

TEST(OutOfMemory, SavingSaysSoAndLeavesNoFile) {
  const TemporaryFolder folder;
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const TextToImageOptions options = small_picture();
  const TextToImageResult result = pipeline.text_to_image(options);
  const std::vector<TextChunk> text{{"parameters", infotext(options, result, pipeline.info(), 0)}};
  const std::string name = folder / "a.png";
  sweep([&] { static_cast<void>(infotext(options, result, pipeline.info(), 0)); }, [] {});
  sweep([&] { write_png(name, result.images[0], text); },
        [&] {
          const auto names = folder.names();
          ASSERT_TRUE(names.empty() || names == std::vector<std::string>{"a.png"}) << names[0];
          std::filesystem::remove(name);
        });
}

TEST(OutOfMemory, ConvertingSaysSoAndLeavesNothing) {
  const TemporaryFolder folder;
  const std::string source = test_checkpoint("tiny-sd15");
  for (const std::string name : {"a", "a.safetensors", "a.gguf"}) {
    const std::string target = folder / name;
    const ConvertOptions options{.dtype = name == "a.gguf" ? "q8_0" : "float16"};
    int done = 0;
    const auto action = [&] {
      convert(source, target, options);
      char other[PATH_MAX];  // out of the way of the next, without an allocation
      std::snprintf(other, sizeof other, "%s.%d.done", target.c_str(), done++);
      ASSERT_EQ(std::rename(target.c_str(), other), 0);
    };
    sweep(action, [&] {
      for (const std::string& left : folder.names()) {
        ASSERT_TRUE(left.ends_with(".done")) << left;
        std::filesystem::remove_all(folder / left);
      }
    });
  }
}

}  // namespace
}  // namespace impasto::test
