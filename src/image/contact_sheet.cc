#include <algorithm>
#include <cmath>

#include "core/fail.h"
#include "core/guard.h"
#include "image/pixels.h"
#include "impasto/image.h"

namespace impasto {
namespace {

void require_whole(const Image& image, std::size_t index) {
  if (!is_whole(image))
    fail(ErrorKind::invalid_argument, "contact_sheet: picture ", index, " is ", image.width, " x ", image.height, " with ", image.pixels.size(),
         " bytes of pixels");
}

Image make(const std::vector<Image>& images, int columns) {
  constexpr int kMostSide = 65536;
  if (images.empty()) fail(ErrorKind::invalid_argument, "contact_sheet: there is no picture");
  if (columns < 0)
    fail(ErrorKind::invalid_argument, "contact_sheet: columns is ", columns, ", allowed is 1 or more, and 0 for a sheet that is about square");
  const auto n = static_cast<std::int64_t>(images.size());
  const auto about = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(n))));
  const std::int64_t across = columns > 0 ? std::min<std::int64_t>(columns, n) : (n + about - 1) / about, down = (n + across - 1) / across;
  int width = 0, height = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    require_whole(images[i], i);
    width = std::max(width, images[i].width), height = std::max(height, images[i].height);
  }
  if (across * width > kMostSide || down * height > kMostSide)
    fail(ErrorKind::invalid_argument, "contact_sheet: ", n, " pictures of ", width, " x ", height, " make ", across * width, " x ", down * height,
         " pixels, allowed is ", kMostSide, " a side");
  Image sheet{static_cast<int>(across) * width, static_cast<int>(down) * height, {}};
  sheet.pixels.resize(3 * static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height));
  for (std::int64_t i = 0; i < n; ++i) {
    const Image& image = images[static_cast<std::size_t>(i)];
    const std::int64_t left = i % across * width, top = i / across * height;
    for (std::int64_t y = 0; y < image.height; ++y)
      std::copy_n(image.pixels.begin() + 3 * y * image.width, 3 * image.width, sheet.pixels.begin() + 3 * ((top + y) * sheet.width + left));
  }
  return sheet;
}

}  // namespace

Image contact_sheet(const std::vector<Image>& images, int columns) {
  return guarded([&] { return make(images, columns); });
}

}  // namespace impasto
