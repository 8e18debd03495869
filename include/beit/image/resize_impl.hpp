// The definitions of resize.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <beit/core/arena.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/resize_portable.hpp>
#include <beit/image/detail/resize_stacks.hpp>
#include <beit/image/detail/resize_strips.hpp>
#include <beit/image/detail/row_writer.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/pass_order.hpp>
#include <beit/image/resize.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Throws unless the image, the size and the window are possible.
BEIT_COLD inline void require_resizable(const ImageView& image, Size resized, Window rows, Window cols) {
  require_readable(image);
  if (resized.height < 1 || resized.width < 1 || resized.height > max_image_side || resized.width > max_image_side) {
    throw ImageError(concat({"resize: found ", image.height, " x ", image.width, " pixels to be resized to ",
                             resized.height, " x ", resized.width, ", wanted sides of 1 to ", max_image_side}));
  }
  const auto inside = [](Window window, Index size) {
    return window.first >= 0 && window.count >= 0 && window.first <= size && window.count <= size - window.first;
  };
  if (!inside(rows, resized.height) || !inside(cols, resized.width)) {
    throw ArgumentError(
        concat({"resize: found a window of rows ", rows.first, " + ", rows.count, " and columns ", cols.first, " + ",
                cols.count, ", wanted it inside ", resized.height, " x ", resized.width}));
  }
}

/// Whether Pillow resizes down before across.
inline bool goes_down_first(Size image, Size resized, PassOrder order) {
  return order == PassOrder::pillow_13 && resized.height < image.height &&
         image.height - resized.height > 2 * (image.width - resized.width);
}

/// Returns the columns that `taps` need, and counts the taps from the first of them.
inline ImageView needed_columns(const ImageView& image, Taps& taps) {
  const Index first = taps.spans[0].first;
  const Index end = taps.spans[taps.count - 1].first + taps.spans[taps.count - 1].count;
  for (Index i = 0; i < taps.count; ++i) taps.spans[i].first -= first;
  ImageView part = image;
  if (part.stride == 0) part.stride = image.width * image.channels;
  part.data += first * image.channels;
  part.width = end - first;
  return part;
}

/// Writes a window of the resized image, row by row. `strips` are a level's kernels, or null for plain loops.
BEIT_INLINE void resize_rows(const ImageView& image, Size resized, Window rows, Window cols,
                             Interpolation interpolation, PassOrder pass_order, const kernels::StripKernels* strips,
                             Arena& arena, RowWriter write) {
  require_resizable(image, resized, rows, cols);
  if (rows.count == 0 || cols.count == 0) return;
  if (resized == Size{image.height, image.width} || interpolation == Interpolation::nearest) {
    return resize_nearest(image, resized, rows, cols, arena, write);
  }
  Arena::Frame frame(arena);
  // Pillow skips the pass over a side that keeps its size. The result is the same, because each output has one tap of
  // weight 1.
  Taps across = make_taps(image.width, resized.width, cols, interpolation, frame);
  const Taps down = make_taps(image.height, resized.height, rows, interpolation, frame);
  if (goes_down_first({image.height, image.width}, resized, pass_order)) {
    const ImageView part = needed_columns(image, across);
    if (strips != nullptr && std::max(across.stride, down.stride) <= max_strip_pixels) {
      return resize_by_stacks(*strips, part, across, down, arena, write);
    }
    return resize_portable_down_first(part, across, down, arena, write);
  }
  if (strips != nullptr && across.stride <= max_strip_pixels) {
    return resize_by_strips(*strips, image, across, down, arena, write);
  }
  resize_portable(image, across, down, arena, write);
}

}  // namespace detail

BEIT_INLINE void resize_window(const ImageView& image, Size resized, Window rows, Window cols,
                               Interpolation interpolation,
                               std::span<std::uint8_t> out,  // (rows.count, cols.count, 3)
                               const Kernels& kernels, PassOrder pass_order) {
  detail::require_resizable(image, resized, rows, cols);
  const Index row_bytes = cols.count * 3;
  if (std::ssize(out) != rows.count * row_bytes) {
    throw ArgumentError(detail::concat(
        {"resize: found room for ", out.size(), " bytes, wanted ", rows.count, " x ", cols.count, " x 3"}));
  }
  Arena arena;
  detail::resize_rows(image, resized, rows, cols, interpolation, pass_order, kernels.strips, arena,
                      [&](Index y, const std::uint8_t* row) { std::copy_n(row, row_bytes, &out[0] + y * row_bytes); });
}

}  // namespace beit::inline BEIT_ABI
