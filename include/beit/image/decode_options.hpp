// How images are decoded.
#pragma once

#include <cstdint>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Which images decode_image accepts, and how it shows them.
struct DecodeOptions {
  /// An image with more pixels is an error, before memory is taken for it. The default is Pillow's limit.
  std::int64_t max_pixels = 178'956'970;
  /// Turn a JPEG, WebP or AVIF upright as its EXIF orientation or container says, as PIL.ImageOps.exif_transpose does.
  /// timm doesn't.
  bool apply_exif_orientation = false;
  /// Show a JPEG that ends early as far as it goes, as Pillow does where ImageFile.LOAD_TRUNCATED_IMAGES is set. The
  /// rest is grey by libjpeg-turbo, and undefined by stb_image. A JPEG that ends before its pixels begin is an error
  /// even so.
  bool allow_truncated = false;
};

}  // namespace beit::inline BEIT_ABI
