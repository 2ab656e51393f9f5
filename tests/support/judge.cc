#include "support/judge.h"

#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/dtype.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

using Floats = std::vector<float>;

// As models/sketchbook/world.py names them; "" is nothing.
constexpr std::array<const char*, 9> kSubjects = {"city", "futuristic", "mountains", "sea", "forest", "house", "fields", "bridge", "objects"};
constexpr std::array<const char*, 4> kStyles = {"plain", "turner", "vangogh", "miro"};
constexpr std::array<const char*, 5> kTimes = {"sunrise", "noon", "sunset", "night", ""};
constexpr std::array<const char*, 7> kColours = {"", "red", "orange", "yellow", "green", "blue", "purple"};
constexpr std::array<const char*, 6> kShapes = {"", "circle", "square", "triangle", "star", "heart"};
constexpr std::array<int, 6> kStrides = {2, 2, 2, 1, 2, 1};                         // of the convolutions: 128 pixels to 8
constexpr std::array<std::array<int, 2>, 3> kWindows = {{{0, 3}, {2, 6}, {5, 8}}};  // rows or columns of the last map in a cell's
constexpr int kSide = 128;

/// Channels first: value (c, y, x) stands at (c * side + y) * side + x.
struct Map {
  int channels, side;
  Floats values;
  float at(int c, int y, int x) const {
    return y < 0 || x < 0 || y >= side || x >= side ? 0.f : values[(static_cast<std::size_t>(c) * side + y) * side + x];
  }
};

class Weights {
 public:
  Weights() : reader_(open_safetensors(IMPASTO_SOURCE_DIR "/models/sketchbook/judge.safetensors")) {}
  /// A tensor of float16, widened.
  Floats operator()(const std::string& name) const {
    const TensorView tensor = reader_->find(name);
    Floats out(static_cast<std::size_t>(tensor.count()));
    std::ranges::transform(std::span(tensor.as<std::uint16_t>(), out.size()), out.begin(), float16_to_float32);
    return out;
  }

 private:
  std::shared_ptr<const WeightReader> reader_;
};

/// 3 x 3 with padding 1, then ReLU.
Map convolve(const Map& in, const Floats& weight, const Floats& bias, int stride) {
  Map out{static_cast<int>(bias.size()), in.side / stride, {}};
  for (int o = 0; o < out.channels; ++o) {
    for (int y = 0; y < out.side; ++y) {
      for (int x = 0; x < out.side; ++x) {
        float sum = bias[o];
        for (int c = 0; c < in.channels; ++c)
          for (int k = 0; k < 9; ++k)
            sum += weight[(static_cast<std::size_t>(o) * in.channels + c) * 9 + k] * in.at(c, y * stride + k / 3 - 1, x * stride + k % 3 - 1);
        out.values.push_back(std::max(sum, 0.f));
      }
    }
  }
  return out;
}

/// Mean, then maximum, of each channel in a window of rows and columns.
Floats pool(const Map& map, std::array<int, 2> rows, std::array<int, 2> columns) {
  Floats out(2 * map.channels, 0.f);
  for (int c = 0; c < map.channels; ++c) {
    float& mean = out[c];
    float& largest = out[map.channels + c];
    for (int y = rows[0]; y < rows[1]; ++y) {
      for (int x = columns[0]; x < columns[1]; ++x) {
        mean += map.at(c, y, x);
        largest = std::max(largest, map.at(c, y, x));
      }
    }
    mean /= static_cast<float>((rows[1] - rows[0]) * (columns[1] - columns[0]));
  }
  return out;
}

Floats linear(const Floats& x, const Floats& weight, const Floats& bias) {
  Floats out = bias;
  for (std::size_t o = 0; o < out.size(); ++o)
    for (std::size_t i = 0; i < x.size(); ++i) out[o] += weight[o * x.size() + i] * x[i];
  return out;
}

/// The name of the largest of the next logits, which are taken off `logits`.
template <std::size_t n>
std::string take(std::span<const float>& logits, const std::array<const char*, n>& names) {
  const auto part = logits.first(n);
  logits = logits.subspan(n);
  return names[static_cast<std::size_t>(std::ranges::max_element(part) - part.begin())];
}

Map to_map(const Image& picture) {
  if (picture.width != kSide || picture.height != kSide) throw std::invalid_argument("the judge looks at pictures of 128 x 128");
  Map map{3, kSide, Floats(picture.pixels.size())};
  for (std::size_t i = 0; i < picture.pixels.size(); ++i)
    map.values[i % 3 * kSide * kSide + i / 3] = static_cast<float>(picture.pixels[i]) / 127.5f - 1;
  return map;
}

}  // namespace

Verdict judge(const Image& picture) {
  const Weights weights;
  Map map = to_map(picture);
  for (std::size_t k = 0; k < kStrides.size(); ++k) {
    const std::string conv = "conv" + std::to_string(k);
    map = convolve(map, weights(conv + ".weight"), weights(conv + ".bias"), kStrides[k]);
  }
  Verdict seen;
  const Floats whole = linear(pool(map, {0, map.side}, {0, map.side}), weights("whole.weight"), weights("whole.bias"));
  std::span<const float> logits = whole;
  seen.subject = take(logits, kSubjects);
  seen.style = take(logits, kStyles);
  seen.time = take(logits, kTimes);
  seen.colour = take(logits, kColours);  // the count, last, is not asked for
  const Floats weight = weights("cell.weight"), bias = weights("cell.bias");
  for (int k = 0; k < 9; ++k) {
    const Floats cell = linear(pool(map, kWindows[k / 3], kWindows[k % 3]), weight, bias);
    std::span<const float> rest = cell;
    seen.cells[k].shape = take(rest, kShapes);
    seen.cells[k].colour = take(rest, kColours);
  }
  return seen;
}

}  // namespace impasto::test
