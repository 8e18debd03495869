// How images are decoded.
#pragma once

#include <cstdint>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Which images decode_image accepts, and how it shows them.
struct DecodeOptions {
  /// An image with more pixels is an error, before memory is allocated for it. The default is Pillow's limit.
  std::int64_t max_pixels = 178'956'970;
  /// Whether to turn a JPEG, PNG, WebP or AVIF upright by the orientation in its container, EXIF or XMP, as
  /// PIL.ImageOps.exif_transpose does. timm doesn't.
  bool apply_exif_orientation = false;
  /// Whether to accept a JPEG that ends early, as Pillow does if ImageFile.LOAD_TRUNCATED_IMAGES is set. libjpeg-turbo
  /// makes the missing rest grey; with stb_image it is undefined. A JPEG that ends before its pixels begin is always an
  /// error.
  bool allow_truncated = false;
};

}  // namespace beit::inline BEIT_ABI
