// What inpainting promises beside diffusers' numbers: the picture around the mask, sizes, outpainting, errors.
#include <limits>

#include "image/mask.h"
#include "impasto/pipeline.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

Image texture(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : {x * 255 / width, (x * y) % 251, (x / 3 + y / 5) % 2 * 200}) image.pixels.push_back(static_cast<std::uint8_t>(value));
  return image;
}

/// White inside left..right, top..bottom.
Image box_mask(int width, int height, int left, int top, int right, int bottom) {
  Image mask{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      mask.pixels.insert(mask.pixels.end(), 3, left <= x && x < right && top <= y && y < bottom ? std::uint8_t{255} : std::uint8_t{0});
  return mask;
}

/// How many values differ where the mask is black, and where it is white.
struct Changes {
  int outside = 0, inside = 0;
};

Changes changes(const Image& before, const Image& after, const Image& mask) {
  Changes found;
  EXPECT_EQ(after.pixels.size(), before.pixels.size());
  for (std::size_t i = 0; i < before.pixels.size() && i < after.pixels.size(); ++i)
    if (before.pixels[i] != after.pixels[i]) ++(mask.pixels[i] == 0 ? found.outside : found.inside);
  return found;
}

class Inpaint : public ::testing::TestWithParam<const char*> {  // a checkpoint
 protected:
  void SetUp() override {
    options_.prompt = "a boat at sunset";
    options_.num_inference_steps = 2;
    options_.seed = 7;
    options_.scheduler = "EulerAncestralDiscreteScheduler";
    options_.image = texture(75, 58);  // not of the model's grid
    options_.mask_image = box_mask(75, 58, 20, 10, 50, 40);
  }
  Image painted() const { return pipeline_.inpaint(options_).images.at(0); }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint(GetParam()));
  InpaintOptions options_;
};

TEST_P(Inpaint, KeepsWhatIsOutsideTheMaskByteForByte) {
  for (const InpaintArea area : {InpaintArea::whole, InpaintArea::masked})
    for (const float blur : {0.0f, 3.0f}) {
      options_.inpaint_area = area;
      options_.mask_blur = blur;
      const Image image = painted();
      ASSERT_EQ(std::pair(image.width, image.height), std::pair(75, 58));
      const Changes found = changes(options_.image, image, options_.mask_image);
      EXPECT_EQ(found.outside, 0);
      EXPECT_GT(found.inside, 3 * 30 * 30 / 2);
    }
}

TEST_P(Inpaint, TheSeamIsMadeInsideTheMask) {
  const Image kept = painted();
  options_.keep_unmasked = false;
  const Image raw = resize(painted(), 75, 58);
  // A seam of 4 pixels: from 5 pixels inside the edge the painted picture stands alone.
  for (int y = 15; y < 35; ++y)
    for (int x = 25; x < 45; ++x)
      for (int c = 0; c < 3; ++c) {
        const auto i = static_cast<std::size_t>(3 * (y * 75 + x) + c);
        ASSERT_EQ(kept.pixels[i], raw.pixels[i]) << x << ' ' << y;
      }
  EXPECT_NE(kept.pixels, raw.pixels);
}

TEST_P(Inpaint, WithoutKeepingTheModelsWholePictureComesOut) {
  options_.keep_unmasked = false;
  const Image image = painted();
  EXPECT_EQ(std::pair(image.width, image.height), std::pair(72, 56));
  options_.inpaint_area = InpaintArea::masked;
  EXPECT_GT(changes(options_.image, painted(), options_.mask_image).outside, 0);
}

TEST_P(Inpaint, AGivenSizeIsTheResultsAndTheResizedPictureIsKept) {
  options_.width = 64;
  options_.height = 48;
  const Image image = painted(), resized = resize(options_.image, 64, 48), mask = resize(options_.mask_image, 64, 48);
  EXPECT_EQ(std::pair(image.width, image.height), std::pair(64, 48));
  EXPECT_EQ(changes(resized, image, mask).outside, 0);
  options_.height = 0;
  EXPECT_EQ(painted().height, 48);  // in proportion
}

TEST_P(Inpaint, InvertingTheMaskIsRepaintingTheRest) {
  const Image straight = painted();
  for (std::uint8_t& value : options_.mask_image.pixels) value = static_cast<std::uint8_t>(255 - value);
  EXPECT_NE(painted().pixels, straight.pixels);
  options_.invert_mask = true;
  EXPECT_EQ(painted().pixels, straight.pixels);
}

TEST_P(Inpaint, AMaskOfAnotherSizeIsResizedWithAWarning) {
  EXPECT_TRUE(pipeline_.inpaint(options_).warnings.empty());
  options_.mask_image = box_mask(150, 116, 40, 20, 100, 80);
  const TextToImageResult result = pipeline_.inpaint(options_);
  ASSERT_EQ(result.warnings.size(), 1u);
  for (const std::string part : {"150 x 116", "75 x 58", "resized"})
    EXPECT_NE(result.warnings[0].find(part), std::string::npos) << result.warnings[0];
  EXPECT_GT(changes(options_.image, result.images[0], box_mask(75, 58, 20, 10, 50, 40)).inside, 1000);
}

TEST_P(Inpaint, AMaskThatMasksNothingIsAnError) {
  options_.mask_image = box_mask(75, 58, 0, 0, 0, 0);
  EXPECT_ERROR(pipeline_.inpaint(options_), invalid_argument, "mask_image is black all over", "white");
  options_.mask_image = box_mask(75, 58, 0, 0, 75, 58);
  options_.invert_mask = true;
  EXPECT_ERROR(pipeline_.inpaint(options_), invalid_argument, "mask_image is white all over", "invert_mask");
  options_.invert_mask = false;
  EXPECT_NO_THROW(painted());
}

TEST_P(Inpaint, AGreyMaskIsToldFromWhereOnWhiteCounts) {
  options_.mask_image = {75, 58, std::vector<std::uint8_t>(std::size_t{3} * 75 * 58, 127)};
  EXPECT_ERROR(pipeline_.inpaint(options_), invalid_argument, "mask_image is nowhere white", "128 of 255", "reaches 127");
  options_.mask_image.pixels.assign(options_.mask_image.pixels.size(), 128);
  EXPECT_NO_THROW(painted());
  options_.invert_mask = true;
  EXPECT_ERROR(pipeline_.inpaint(options_), invalid_argument, "inverted the mask reaches 127", "paint black");
}

TEST_P(Inpaint, WarnsOfAMaskBetweenTheGridsPoints) {
  options_.image = texture(72, 56);
  options_.mask_image = box_mask(72, 56, 17, 0, 20, 56);  // between columns 16 and 24
  const TextToImageResult result = pipeline_.inpaint(options_);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("so thin"), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[0].find("set inpaint_area to masked"), std::string::npos) << result.warnings[0];
}

TEST_P(Inpaint, IsNotAdvisedTheAreaThatItHas) {
  options_.image = texture(256, 128);
  options_.mask_image = {};
  options_.extend = {.left = 1, .top = 0, .right = 1, .bottom = 0};
  options_.inpaint_area = InpaintArea::masked;
  options_.width = options_.height = 64;
  const TextToImageResult result = pipeline_.inpaint(options_);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("draw larger"), std::string::npos) << result.warnings[0];
  EXPECT_EQ(result.warnings[0].find("inpaint_area"), std::string::npos) << result.warnings[0];
}

TEST_P(Inpaint, WarnsOfAMaskThatIsBlurredAway) {
  options_.mask_image = box_mask(75, 58, 30, 30, 31, 31);
  options_.mask_blur = 60;
  for (const InpaintArea area : {InpaintArea::whole, InpaintArea::masked}) {
    options_.inpaint_area = area;
    const TextToImageResult result = pipeline_.inpaint(options_);
    ASSERT_EQ(result.warnings.size(), 1u);
    EXPECT_NE(result.warnings[0].find("so blurred"), std::string::npos) << result.warnings[0];
  }
}

TEST_P(Inpaint, ExtendGrowsThePictureAndPaintsTheNewPart) {
  options_.mask_image = {};
  options_.extend = {.left = 16, .top = 0, .right = 5, .bottom = 22};
  const TextToImageResult result = pipeline_.inpaint(options_);
  const Image& image = result.images[0];
  ASSERT_EQ(std::pair(image.width, image.height), std::pair(96, 80));
  EXPECT_TRUE(result.warnings.empty());
  for (int y = 0; y < 58; ++y)
    for (std::size_t i = 0; i < 3 * 75; ++i)
      ASSERT_EQ(image.pixels[static_cast<std::size_t>(3 * (y * 96 + 16)) + i], options_.image.pixels[static_cast<std::size_t>(3 * 75 * y) + i]) << y;
  options_.seed = 8;
  EXPECT_NE(painted().pixels, image.pixels);
}

TEST_P(Inpaint, ExtendJoinsAMaskInsideThePicture) {
  options_.extend.right = 21;
  const Image image = painted();
  ASSERT_EQ(image.width, 96);
  int changed = 0;
  for (int y = 20; y < 30; ++y)
    for (int x = 30; x < 40; ++x)
      changed += image.pixels[static_cast<std::size_t>(3 * (y * 96 + x))] != options_.image.pixels[static_cast<std::size_t>(3 * (y * 75 + x))];
  EXPECT_GT(changed, 50);
}

TEST_P(Inpaint, ImageOfABatchEqualsTheImageDrawnAloneFromItsSeed) {
  options_.num_images = 2;
  options_.strength = 0.5;
  const TextToImageResult batch = pipeline_.inpaint(options_);
  options_.num_images = 1;
  for (std::size_t k = 0; k < 2; ++k) {
    options_.seed = batch.seeds[k];
    EXPECT_EQ(painted().pixels, batch.images[k].pixels) << "image " << k;
  }
}

TEST_P(Inpaint, TheMaskedAreaIsDrawnAtTheModelsSize) {
  options_.inpaint_area = InpaintArea::masked;
  const TextToImageResult result = pipeline_.inpaint(options_);
  EXPECT_EQ(std::pair(result.width, result.height), std::pair(pipeline_.info().width, pipeline_.info().height));
  EXPECT_EQ(result.images[0].width, 75);
}

TEST_P(Inpaint, RefusesOptionsOutOfRangeByName) {
  const auto refused = [&](auto change, const std::string& name) {
    InpaintOptions o = options_;
    change(o);
    EXPECT_ERROR(pipeline_.inpaint(o), invalid_argument, name);
  };
  for (const float blur : {-1.0f, 300.0f, std::numeric_limits<float>::quiet_NaN()}) refused([&](auto& o) { o.mask_blur = blur; }, "mask_blur");
  for (const int padding : {-1, 1 << 20}) refused([&](auto& o) { o.inpaint_padding = padding; }, "inpaint_padding");
  for (const int margin : {-1, 1 << 30}) refused([&](auto& o) { o.extend.top = margin; }, "extend");
  refused([](auto& o) { o.extend = {.left = 16384, .top = 16384, .right = 0, .bottom = 0}; }, "extend");
  for (const InpaintArea area : {InpaintArea::whole, InpaintArea::masked})
    refused([&](auto& o) { o.inpaint_area = area, o.width = -8, o.height = 64; }, "width");
  refused([](auto& o) { o.mask_image = {}; }, "mask_image");
  refused([](auto& o) { o.mask_image.pixels.pop_back(); }, "mask_image");
  refused([](auto& o) { o.image = {}; }, "image is 0 x 0");
  refused([](auto& o) { o.strength = 0; }, "strength");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Inpaint, ::testing::Values("tiny-sd15", "tiny-inpaint"),
                         [](const auto& test) { return std::string(test.param).substr(5); });

}  // namespace
}  // namespace impasto::test
