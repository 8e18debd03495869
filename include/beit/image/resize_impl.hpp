// How images are resampled.
#pragma once

#include <algorithm>
#include <cstdint>

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/image/detail/resize_avx2.hpp>
#include <beit/image/detail/resize_avx512.hpp>
#include <beit/image/detail/resize_neon_dot.hpp>
#include <beit/image/detail/resize_portable.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>
#include <beit/image/resize.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// resize_window on a level that this processor has; the arguments are checked.
inline void resize_window_on([[maybe_unused]] Isa isa, const ImageView& image, Size resized, Window rows, Window cols,
                             Interpolation interpolation, std::uint8_t* out) {  // (rows.count, cols.count, 3)
  if (resized == Size{image.height, image.width} || interpolation == Interpolation::nearest) {
    return resize_nearest(image, resized, rows, cols, out);
  }
  // Pillow skips the pass over a side that keeps its size. Its taps are one pixel each, of weight 1: the same.
  const Taps across = make_taps(image.width, resized.width, cols, interpolation);
  const Taps down = make_taps(image.height, resized.height, rows, interpolation);
#if BEIT_X86_KERNELS
  if (isa != Isa::portable && across.stride <= max_strip_pixels) {
    const StripFunctions& level = isa < Isa::avx512 ? strip_functions<ResizeAvx2> : strip_functions<ResizeAvx512>;
    return resize_by_strips(level, image, across, down, out);
  }
#elif BEIT_NEON_KERNELS
  if (isa >= Isa::neon_dot && across.stride <= max_strip_pixels) {
    return resize_by_strips(strip_functions<ResizeNeonDot>, image, across, down, out);
  }
#endif
  resize_portable(image, across, down, out);
}

}  // namespace detail

BEIT_INLINE void resize_window(const ImageView& image, Size resized, Window rows, Window cols,
                               Interpolation interpolation,
                               std::uint8_t* out) {  // (rows.count, cols.count, 3)
  detail::require_readable(image);
  if (resized.height < 1 || resized.width < 1 || resized.height > detail::max_image_side ||
      resized.width > detail::max_image_side) {
    throw ImageError(
        detail::concat({"resize: found ", image.height, " x ", image.width, " pixels to be resized to ", resized.height,
                        " x ", resized.width, ", wanted sides of 1 to ", detail::max_image_side}));
  }
  const auto inside = [](Window window, Index size) {
    return window.first >= 0 && window.count >= 0 && window.first <= size && window.count <= size - window.first;
  };
  if (!inside(rows, resized.height) || !inside(cols, resized.width)) {
    throw ArgumentError(
        detail::concat({"resize: found a window of rows ", rows.first, " + ", rows.count, " and columns ", cols.first,
                        " + ", cols.count, ", wanted it inside ", resized.height, " x ", resized.width}));
  }
  if (rows.count == 0 || cols.count == 0) return;

  // select_isa() asks the processor, which takes long on a virtual one.
  static const Isa isa = select_isa();
  detail::resize_window_on(isa, image, resized, rows, cols, interpolation, out);
}

}  // namespace beit::inline BEIT_ABI
