#include "impasto/benchmark.h"

#include <algorithm>

#include "backend/profiling_backend.h"
#include "core/cancellation.h"
#include "core/fail.h"
#include "core/flush_denormals.h"
#include "core/guard.h"
#include "core/memory.h"
#include "core/threads.h"
#include "impasto/image.h"
#include "ops/ops.h"
#include "pipelines/drawing.h"
#include "pipelines/guided_unet.h"
#include "pipelines/networks.h"
#include "pipelines/options.h"
#include "pipelines/prompts.h"
#include "pipelines/text_to_image.h"
#include "pipelines/to_image.h"

namespace impasto {
namespace {

constexpr double kTimestep = 500;  // any: the work is the same

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/// What is measured of a turn. Counting makes devices slower that queue their operations.
enum class Turn { warm_up, timed, counted, both };

/// A stage's turns as they are measured.
class StageTimer {
 public:
  StageTimer(std::string name, ProfilingBackend& backend) : name_(std::move(name)), backend_(backend) {}

  template <typename F>
  auto turn(Turn what, const F& f) {
    backend_.take();
    backend_.wait();
    Stopwatch watch;
    auto result = f();
    backend_.wait();
    const double seconds = watch.lap();
    if (what == Turn::timed || what == Turn::both) milliseconds_.push_back(1e3 * seconds);
    if (what == Turn::counted || what == Turn::both) costs_.push_back(backend_.take());
    return result;
  }

  BenchmarkStage report() const {
    BenchmarkStage stage{name_, median(milliseconds_), {}};
    for (std::size_t f = 0; f < kOpFamilyNames.size(); ++f) {
      std::vector<double> milliseconds;
      for (const OpCosts& costs : costs_) milliseconds.push_back(1e3 * costs[f].seconds);
      stage.families.push_back({std::string(kOpFamilyNames[f]), median(milliseconds), costs_.front()[f].gflop});
    }
    return stage;
  }

 private:
  std::string name_;
  ProfilingBackend& backend_;
  std::vector<double> milliseconds_;
  std::vector<OpCosts> costs_;
};

TextToImageOptions drawing_options(const BenchmarkOptions& options) {
  TextToImageOptions o;
  o.prompt = "a futuristic cityscape in the style of Van Gogh";
  o.seed = 1;
  o.height = options.height, o.width = options.width;
  return o;
}

void measure(const Networks& net, ProfilingBackend& backend, const BenchmarkOptions& options, BenchmarkReport& report) {
  const FlushDenormals flush;
  TextToImageResult described;
  const TextToImageOptions drawing = checked(drawing_options(options), net.checkpoint, net.placement(), described);
  const std::int64_t scale = net.checkpoint.vae.scale();
  LatentNoise noise(backend, described.seeds, /*shared=*/false);
  const Shape size{1, drawing.height / scale, drawing.width / scale, net.checkpoint.vae.latent_channels};
  const Tensor latents = LatentNoise(net.vae_backend, described.seeds, /*shared=*/false).draw(size),
               input = noise.draw({size[0], size[1], size[2], net.checkpoint.unet.in_channels});
  report.height = drawing.height, report.width = drawing.width;

  std::vector<std::shared_ptr<const ClipText>> text_encoders;  // kept, so that no turn builds them
  for (const TextNetwork& reader : net.texts) text_encoders.push_back(reader.encoder.get());
  const auto unet = net.unet.get();
  const auto decoder = net.vae_decoder.get();
  StageTimer text("text_encode", backend), step("unet_step", backend), decode("vae_decode", backend);
  backend.count(false);
  const bool queues = backend.records();
  const auto round = [&](Turn what) {
    backend.count(what == Turn::counted || what == Turn::both);
    GuidedUNet led(unet, text.turn(what, [&] { return encode_prompts(net, drawing, described.warnings); }), drawing);
    if (queues) led.predict(input, kTimestep, /*step=*/0, /*num_steps=*/1);  // what the texts contribute is the first step's
    step.turn(what, [&] { return led.predict(input, kTimestep, /*step=*/0, /*num_steps=*/1); });
    backend.recycle_cached_memory();
    decode.turn(what, [&] { return to_image(decoder->forward(latents)); });
    backend.recycle_cached_memory();
  };
  const int warm_ups = queues ? 3 : 1;  // one runs, one records, one replays
  for (int i = 0; i < warm_ups; ++i) round(Turn::warm_up);
  for (int i = 0; i < options.rounds; ++i) round(queues ? Turn::timed : Turn::both);
  if (queues)
    for (int i = 0; i < 2; ++i) round(Turn::counted);
  report.text_encode = text.report(), report.unet_step = step.report(), report.vae_decode = decode.report();
}

/// Median time from the prompt to a PNG's bytes.
double measure_pictures(const Networks& net, ProfilingBackend& backend, const BenchmarkOptions& options) {
  TextToImageOptions drawing = drawing_options(options);
  drawing.num_inference_steps = options.picture_steps;
  backend.count(false);
  std::vector<double> milliseconds;
  for (int i = 0; i <= options.rounds; ++i) {
    Stopwatch watch;
    encode_png(text_to_image(net, drawing).images.front());
    if (i > 0) milliseconds.push_back(1e3 * watch.lap());
  }
  return median(milliseconds);
}

}  // namespace

BenchmarkReport benchmark(const std::string& path, const LoadOptions& load, const BenchmarkOptions& options) {
  if (options.rounds < 1 || options.rounds > 1000) fail(ErrorKind::invalid_argument, "rounds is ", options.rounds, ", allowed is 1 to 1000");
  if (options.picture_steps < 0 || options.picture_steps > 1000)
    fail(ErrorKind::invalid_argument, "picture_steps is ", options.picture_steps, ", allowed is 0 to 1000");
  const CancellationScope scope(load.should_stop);
  return guarded([&] {
    Backend& inner = chosen_backend(load);
    ProfilingBackend backend(inner);
    const Networks net = load_networks(path, load, {backend, backend, backend});
    BenchmarkReport report;
    const DeviceDescription device = backend.describe();
    report.device = device.name, report.instructions = device.instructions;
    report.dtype = load.dtype == "auto" ? to_string(backend.feature_type()) : load.dtype;
    report.threads = backend.shares_host_memory() ? num_threads() : 0;
    report.fma_peak_gflops = backend.measure_peak_gflops(DType::float32);
    report.product_peak_gflops =
        backend.factor_type() == DType::float32 ? report.fma_peak_gflops : backend.measure_peak_gflops(backend.factor_type());
    measure(net, backend, options, report);
    if (options.picture_steps > 0) report.picture_milliseconds = measure_pictures(net, backend, options);
    report.peak_rss_bytes = peak_resident_memory();
    return report;
  });
}

}  // namespace impasto
