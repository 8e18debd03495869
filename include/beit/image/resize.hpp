// Pillow's resampling of 8-bit images, bit for bit, for a window of the resized image.
#pragma once

#include <cstdint>

#include <beit/core/compiled.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

/// What `Image.resize(resized, interpolation).crop(window)` gives in Pillow for the image as RGB.
///
/// Only the window is computed, from only the source rows that it needs, a few rows in memory at a time: the
/// resized image never exists. Throws ImageError for an image or a size that can't be, ArgumentError for a window
/// that isn't inside `resized`.
BEIT_INLINE void resize_window(const ImageView& image, Size resized, Window rows, Window cols,
                               Interpolation interpolation,
                               std::uint8_t* out);  // (rows.count, cols.count, 3)

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/resize_impl.hpp>
#endif
