// Reads AVIF by libavif with the settings of Pillow 11.3: the first frame of a sequence.
#pragma once

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/image_file.hpp>
#include <beit/image/detail/iso_brands.hpp>

#if BEIT_USE_LIBAVIF
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <avif/avif.h>

#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/detail/exif.hpp>
#include <beit/image/image.hpp>
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

BEIT_COLD inline bool is_avif(Bytes bytes) {
  return has_brand(bytes, {"avif", "avis"}) ||
         (has_brand(bytes, {"mif1", "msf1"}) && is_compatible_with(bytes, {"avif", "avis"}));
}

#if BEIT_USE_LIBAVIF

/// The EXIF orientation that equals an image's rotation followed by its mirroring.
inline int avif_orientation(const avifImage& image) {
  constexpr int rotated[4] = {1, 8, 3, 6};  // by quarter turns, anticlockwise
  constexpr int upside_down[4] = {4, 5, 2, 7}, sideways[4] = {2, 7, 4, 5};
  const int angle = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0 ? image.irot.angle & 3 : 0;
  if ((image.transformFlags & AVIF_TRANSFORM_IMIR) == 0) return rotated[angle];
#if AVIF_VERSION >= 1000000
  return image.imir.axis == 0 ? upside_down[angle] : sideways[angle];
#else
  return image.imir.mode == 0 ? upside_down[angle] : sideways[angle];
#endif
}

inline Decoded decode_avif(const ImageFile& file, const DecodeOptions& options) {
  const std::unique_ptr<avifDecoder, void (*)(avifDecoder*)> decoder(avifDecoderCreate(), &avifDecoderDestroy);
  if (decoder == nullptr) throw std::bad_alloc();
  const auto require = [&](avifResult result) {
    if (result == AVIF_RESULT_OK) return;
    if (result == AVIF_RESULT_TRUNCATED_DATA) fail_as_truncated(file);
    file.fail(concat({"damaged or unknown AVIF (", avifResultToString(result), ")"}));
  };
  decoder->maxThreads = 1;
  decoder->strictFlags &= ~static_cast<avifStrictFlags>(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
  require(avifDecoderSetIOMemory(decoder.get(), file.bytes.data(), file.bytes.size()));
  require(avifDecoderParse(decoder.get()));
  const Index height = decoder->image->height, width = decoder->image->width;
  check_size(file, height, width, options.max_pixels);
  require(avifDecoderNextImage(decoder.get()));
  if (decoder->image->height != height || decoder->image->width != width) {
    file.fail("damaged AVIF: found an image whose size isn't its header's");
  }

  Image image(height, width);
  // Where there is alpha, the library multiplies RGB by it, but not RGBA.
  const Index channels = decoder->image->alphaPlane != nullptr ? 4 : 3;
  std::vector<std::uint8_t> rgba(static_cast<std::size_t>(channels == 4 ? height * width * 4 : 0));
  avifRGBImage rgb{};
  avifRGBImageSetDefaults(&rgb, decoder->image);
  rgb.format = channels == 4 ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.depth = 8;
  rgb.pixels = channels == 4 ? rgba.data() : image.data();
  rgb.rowBytes = static_cast<std::uint32_t>(width * channels);
  require(avifImageYUVToRGB(decoder->image, &rgb));
  for (std::size_t i = 0; i * 4 < rgba.size(); ++i) std::copy_n(rgba.data() + i * 4, 3, image.data() + i * 3);
  int orientation = avif_orientation(*decoder->image);
  const Bytes exif{decoder->image->exif.data, decoder->image->exif.size};
  const Bytes xmp{decoder->image->xmp.data, decoder->image->xmp.size};
  // The container's orientation goes before EXIF's, and XMP's counts where there is neither, as in Pillow.
  if (orientation == 1 && !exif_orientation(exif)) orientation = orientation_of({}, xmp);
  return {std::move(image), orientation};
}

#else

inline constexpr ImageReader decode_avif = nullptr;

#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
