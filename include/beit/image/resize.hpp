// Pillow's resampling of 8-bit images, bit for bit, for a window of the resized image.
#pragma once

#include <cstdint>
#include <span>

#include <beit/core/compiled.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/kernels/kernels.hpp>

namespace beit::inline BEIT_ABI {

/// Writes what `Image.resize(resized, interpolation).crop(window)` gives in Pillow for the image as RGB.
///
/// Only the window is computed, from only the source rows that it needs, a few rows in memory at a time: the resized
/// image never exists. The bytes are the same on every level of kernels. ImageError for an image or a size that can't
/// be; ArgumentError for a window that isn't inside `resized`, or another size of `out`.
BEIT_INLINE void resize_window(const ImageView& image, Size resized, Window rows, Window cols,
                               Interpolation interpolation,
                               std::span<std::uint8_t> out,  // (rows.count, cols.count, 3)
                               const Kernels& kernels = default_kernels());

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/resize_impl.hpp>
#endif
