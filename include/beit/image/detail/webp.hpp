// WebP by libwebp, as Pillow calls it: the first frame of an animation, on its canvas.
//
// Source: Pillow's src/_webp.c and src/PIL/WebPImagePlugin.py.
#pragma once

#include <beit/core/version.hpp>

#if BEIT_USE_LIBWEBP

#include <cstddef>
#include <cstdint>
#include <memory>

#include <webp/demux.h>

#include <beit/core/index.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/jpeg.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The pixels; sets `orientation` to EXIF's. Throws ImageError for a file that is truncated or damaged, or an image
/// larger than the limit.
inline Image decode_webp(const ImageFile& file, std::int64_t max_pixels, int& orientation) {
  const WebPData data{file.bytes.data(), file.bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemuxPartial(&data, &state), &WebPDemuxDelete);
  if (state == WEBP_DEMUX_PARSING_HEADER || state == WEBP_DEMUX_PARSED_HEADER) fail_as_truncated(file);
  if (demuxer == nullptr || state != WEBP_DEMUX_DONE) file.fail("damaged WebP");
  const Index width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const Index height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_size(file, height, width, max_pixels);

  WebPChunkIterator exif;
  if (WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &exif) != 0) {
    orientation = exif_orientation({exif.chunk.bytes, exif.chunk.size});
    WebPDemuxReleaseChunkIterator(&exif);
  }

  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) file.fail("found another version of libwebp than was compiled with");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             &WebPAnimDecoderDelete);
  std::uint8_t* rgba = nullptr;  // (height, width, 4), the decoder's
  int timestamp = 0;
  if (decoder == nullptr || WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp) == 0) file.fail("damaged WebP");
  Image image(height, width);
  std::uint8_t* out = image.data();
  for (Index i = 0; i < height * width; ++i, rgba += 4, out += 3) std::copy_n(rgba, 3, out);
  return image;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_USE_LIBWEBP
