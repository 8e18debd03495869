// Reads WebP by libwebp, as Pillow does: the first frame of an animation, on its canvas.
//
// Source: Pillow's src/_webp.c and src/PIL/WebPImagePlugin.py.
#pragma once

#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>

#if BEIT_USE_LIBWEBP
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <webp/demux.h>

#include <beit/core/index.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/image.hpp>
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

inline bool is_webp(Bytes bytes) { return has_text(bytes, 0, "RIFF") && has_text(bytes, 8, "WEBP"); }

#if BEIT_USE_LIBWEBP

inline Decoded decode_webp(const ImageFile& file, const DecodeOptions& options) {
  const WebPData data{file.bytes.data(), file.bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemuxPartial(&data, &state), &WebPDemuxDelete);
  if (state == WEBP_DEMUX_PARSING_HEADER || state == WEBP_DEMUX_PARSED_HEADER) fail_as_truncated(file);
  if (demuxer == nullptr || state != WEBP_DEMUX_DONE) file.fail("damaged WebP");
  const Index width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const Index height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_size(file, height, width, options.max_pixels);

  const auto chunk = [&](const char* name) {
    WebPChunkIterator found;
    Bytes bytes;
    if (WebPDemuxGetChunk(demuxer.get(), name, 1, &found) != 0) {
      bytes = {found.chunk.bytes, found.chunk.size};  // in the file
      WebPDemuxReleaseChunkIterator(&found);
    }
    return bytes;
  };
  const int orientation = orientation_of(chunk("EXIF"), chunk("XMP "));

  WebPAnimDecoderOptions settings;
  if (WebPAnimDecoderOptionsInit(&settings) == 0) {
    file.fail("found a version of libwebp other than the one compiled with");
  }
  settings.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &settings),
                                                                             &WebPAnimDecoderDelete);
  std::uint8_t* rgba = nullptr;  // (height, width, 4), owned by the decoder
  int timestamp = 0;
  if (decoder == nullptr || WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp) == 0) file.fail("damaged WebP");
  Image image(height, width);
  std::uint8_t* out = image.data();
  for (Index i = 0; i < height * width; ++i, rgba += 4, out += 3) std::copy_n(rgba, 3, out);
  return {std::move(image), orientation};
}

#else

inline constexpr ImageReader decode_webp = nullptr;

#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
