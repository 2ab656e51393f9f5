// What README.md shows, plus checks: outside MODEL PICTURE
#include <cstdio>
#include <exception>

#include <impasto/impasto.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const impasto::Pipeline pipeline = impasto::Pipeline::load(argv[1]);
    impasto::TextToImageOptions options;
    options.prompt = "a red house beside a lake";
    options.num_inference_steps = 2;
    options.seed = 7;
    const impasto::TextToImageResult result = pipeline.text_to_image(options);
    impasto::write_png(argv[2], result.images.at(0), {{"parameters", impasto::infotext(options, result, pipeline.info(), 0)}});
    std::printf("impasto %s drew %d x %d\n", impasto::version().c_str(), result.width, result.height);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }

  try {
    impasto::Pipeline::load("/nowhere");
  } catch (const impasto::Error& error) {  // the type is the same on both sides of the library's border
    return error.kind() == impasto::ErrorKind::not_found ? 0 : 3;
  }
  return 4;
}
