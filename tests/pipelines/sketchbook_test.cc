// The built-in model: what the judge sees in its pictures is what the prompts say.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "impasto/pipeline.h"
#include "support/judge.h"

namespace impasto::test {
namespace {

const Pipeline& sketchbook() {
  static const Pipeline pipeline = Pipeline::load(IMPASTO_SOURCE_DIR "/models/sketchbook");
  return pipeline;
}

Verdict seen_for(const std::string& prompt, std::uint64_t seed) {
  TextToImageOptions options;
  options.prompt = prompt;
  options.num_inference_steps = 20;
  options.guidance_scale = 5;
  options.seed = seed;
  return judge(sketchbook().text_to_image(options).images.at(0));
}

struct Scene {
  const char *prompt, *subject, *style;
};

constexpr Scene kScenes[] = {
    {"a city skyline at noon", "city", "plain"},
    {"a futuristic cityscape at night in the style of Van Gogh", "futuristic", "vangogh"},
    {"snowy mountains at sunrise, by J. M. W. Turner", "mountains", "turner"},
    {"two boats with red sails on the sea at sunset, by Joan Mir\u00f3", "sea", "miro"},
    {"a forest at noon in the style of Vincent van Gogh", "forest", "vangogh"},
    {"a blue house on a hill at sunset", "house", "plain"},
    {"fields at noon in the style of Joan Mir\u00f3", "fields", "miro"},
    {"a stone bridge over a river at dawn, by Turner", "bridge", "turner"},
};

TEST(Sketchbook, DrawsTheSubjectAndTheStyleOfThePrompt) {
  int subjects = 0, styles = 0;
  std::uint64_t seed = 0;
  std::string told;
  for (const Scene& scene : kScenes) {
    const Verdict seen = seen_for(scene.prompt, seed++);
    subjects += seen.subject == scene.subject;
    styles += seen.style == scene.style;
    told += std::string(scene.prompt) + ": " + seen.subject + ", " + seen.style + "\n";
  }
  EXPECT_GE(subjects, 7) << told;
  EXPECT_GE(styles, 7) << told;
}

struct Shape {
  const char *prompt, *shape, *colour;
  int cell;
};

constexpr Shape kShapes[] = {
    {"a red circle on the left", "circle", "red", 3},       {"a blue square on the right", "square", "blue", 5},
    {"a yellow star in the middle", "star", "yellow", 4},   {"a green triangle at the top", "triangle", "green", 1},
    {"a purple heart at the bottom", "heart", "purple", 7}, {"an orange circle in the centre, by Van Gogh", "circle", "orange", 4},
};

TEST(Sketchbook, PutsTheColouredShapeWhereThePromptSays) {
  int found = 0;
  std::uint64_t seed = 0;
  std::string told;
  for (const Shape& shape : kShapes) {
    const auto thing = seen_for(shape.prompt, seed++).cells[static_cast<std::size_t>(shape.cell)];
    found += thing.shape == shape.shape && thing.colour == shape.colour;
    told += std::string(shape.prompt) + ": " + thing.colour + " " + thing.shape + "\n";
  }
  EXPECT_GE(found, 5) << told;
}

}  // namespace
}  // namespace impasto::test
