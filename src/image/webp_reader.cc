#include <memory>
#include <new>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image/decoders.h"

namespace impasto {
namespace {

void require_ok(const ImageFile& file, VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OK: return;
    case VP8_STATUS_OUT_OF_MEMORY: throw std::bad_alloc();
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: file.bad("the WebP ends early; it was cut short");
    case VP8_STATUS_UNSUPPORTED_FEATURE: fail(ErrorKind::unsupported, file.name, ": the WebP uses a feature that is not supported");
    default: file.bad("the WebP is damaged");
  }
}

std::vector<std::uint8_t> find_exif(std::span<const std::uint8_t> bytes) {
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), WebPDemuxDelete);
  WebPChunkIterator chunk{};
  std::vector<std::uint8_t> exif;
  if (demuxer != nullptr && WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk) != 0)
    exif.assign(chunk.chunk.bytes, chunk.chunk.bytes + chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return exif;
}

}  // namespace

DecodedImage decode_webp(const ImageFile& file) {
  WebPBitstreamFeatures features{};
  require_ok(file, WebPGetFeatures(file.bytes.data(), file.bytes.size(), &features));
  if (features.has_animation != 0) fail(ErrorKind::unsupported, file.name, ": the WebP is animated; save one of its pictures first");
  require_reasonable_size(file, static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height));

  DecodedImage out{{features.width, features.height, {}}, {}, {}};
  out.image.pixels.resize(3 * static_cast<std::size_t>(features.width) * static_cast<std::size_t>(features.height));
  WebPDecoderConfig config{};
  if (WebPInitDecoderConfig(&config) == 0) fail(ErrorKind::internal, "libwebp is another version than the one that was built with");
  config.output.colorspace = MODE_RGB;  // without alpha
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {out.image.pixels.data(), 3 * features.width, out.image.pixels.size()};
  require_ok(file, WebPDecode(file.bytes.data(), file.bytes.size(), &config));
  out.exif = find_exif(file.bytes);
  return out;
}

}  // namespace impasto
