// Pillow's resampling of 8-bit images, bit for bit, for a window of the resized image.
#pragma once

#include <cstdint>
#include <span>

#include <beit/core/compiled.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/pass_order.hpp>
#include <beit/kernels/kernels.hpp>

namespace beit::inline BEIT_ABI {

/// Writes the result of Pillow's `Image.resize(resized, interpolation).crop(window)` for the image as RGB.
///
/// Computes only the window, only from the source rows and columns that it needs, with a few rows in memory at a time:
/// the resized image never exists. The bytes are the same on every level of kernels. ImageError for an impossible image
/// or size; ArgumentError for a window outside `resized` or a wrong size of `out`.
BEIT_INLINE void resize_window(const ImageView& image, Size resized, Window rows, Window cols,
                               Interpolation interpolation,
                               std::span<std::uint8_t> out,  // (rows.count, cols.count, 3)
                               const Kernels& kernels = default_kernels(), PassOrder pass_order = PassOrder::pillow_13);

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/resize_impl.hpp>
#endif
