// The resize in plain C++, for any processor and any size. It is the oracle of the steps in kernels/strips.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <beit/core/arena.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/row_writer.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kernels::weight_bits, 0, 255));
}

/// Half of a pixel's unit: a sum that begins with it is rounded to the nearest number.
inline constexpr std::int32_t half_pixel = 1 << (kernels::weight_bits - 1);

/// The pass across, for one row: out[i] is the weighted sum of the row's pixels in taps.spans[i].
inline void resample_row(const std::uint8_t* row,  // (source width, 3)
                         const Taps& taps,
                         std::uint8_t* out) {  // (window, 3)
  for (Index i = 0; i < taps.count; ++i) {
    const Span span = taps.spans[i];
    const std::int32_t* weight = taps.of(i);
    const std::uint8_t* pixel = row + 3 * span.first;
    std::int32_t red = half_pixel, green = half_pixel, blue = half_pixel;
    for (Index x = 0; x < span.count; ++x, pixel += 3) {
      red += weight[x] * pixel[0];
      green += weight[x] * pixel[1];
      blue += weight[x] * pixel[2];
    }
    out[3 * i] = to_byte(red);
    out[3 * i + 1] = to_byte(green);
    out[3 * i + 2] = to_byte(blue);
  }
}

/// The pass down, for one output row: the weighted sum of `count` rows of `bytes` bytes.
inline void resample_column(const std::uint8_t* const* rows,  // (count) pointers to (bytes)
                            const std::int32_t* weights,      // (count)
                            Index count, Index bytes,
                            std::uint8_t* out) {  // (bytes)
  constexpr Index block = 256;                    // sums stay in the first-level cache
  std::int32_t sums[block];
  for (Index begin = 0; begin < bytes; begin += block) {
    const Index size = std::min(block, bytes - begin);
    std::fill_n(sums, size, half_pixel);
    for (Index y = 0; y < count; ++y) {
      const std::uint8_t* row = rows[y] + begin;
      const std::int32_t weight = weights[y];
      for (Index x = 0; x < size; ++x) sums[x] += weight * row[x];
    }
    for (Index x = 0; x < size; ++x) out[begin + x] = to_byte(sums[x]);
  }
}

/// Returns a row of any view as RGB: the row itself, or `scratch` filled with it.
inline const std::uint8_t* rgb_row(const ImageView& image, Index y, std::uint8_t* scratch) {  // (width, 3)
  const std::uint8_t* pixel = image.row(y);
  const auto [red, green, blue] = image.colours();
  if (image.channels == 3 && red == 0) return pixel;
  for (Index x = 0; x < image.width; ++x, pixel += image.channels) {
    scratch[3 * x] = pixel[red];
    scratch[3 * x + 1] = pixel[green];
    scratch[3 * x + 2] = pixel[blue];
  }
  return scratch;
}

/// Writes the nearest pixels, row by row.
inline void resize_nearest(const ImageView& image, Size resized, Window rows, Window cols, Arena& arena,
                           RowWriter write) {
  Arena::Frame frame(arena);
  const Index* const ys = nearest_sources(image.height, resized.height, rows, frame);
  const Index* const xs = nearest_sources(image.width, resized.width, cols, frame);
  std::uint8_t* const out = frame.take<std::uint8_t>(3 * cols.count);
  const std::array<Index, 3> colours = image.colours();
  for (Index y = 0; y < rows.count; ++y) {
    for (Index x = 0; x < cols.count; ++x) {
      const bool inside = ys[y] >= 0 && xs[x] >= 0;
      const std::uint8_t* const pixel = inside ? image.row(ys[y]) + xs[x] * image.channels : nullptr;
      for (std::size_t c = 0; c < 3; ++c) {
        out[3 * x + static_cast<Index>(c)] = inside ? pixel[colours[c]] : std::uint8_t{0};
      }
    }
    write(y, out);
  }
}

/// Resizes down, then across, row by row.
inline void resize_portable_down_first(const ImageView& image, const Taps& across, const Taps& down, Arena& arena,
                                       RowWriter write) {
  Arena::Frame frame(arena);
  const Index bytes = image.width * image.channels;
  std::uint8_t* const row = frame.take<std::uint8_t>(bytes);
  std::uint8_t* const scratch = frame.take<std::uint8_t>(image.width * 3);
  std::uint8_t* const out = frame.take<std::uint8_t>(across.count * 3);
  const std::uint8_t** const rows = frame.take<const std::uint8_t*>(down.stride);
  const ImageView resized{row, 1, image.width, image.channels, bytes, image.order};
  for (Index y = 0; y < down.count; ++y) {
    const Span span = down.spans[y];
    for (Index i = 0; i < span.count; ++i) rows[i] = image.row(span.first + i);
    resample_column(rows, down.of(y), span.count, bytes, row);
    resample_row(rgb_row(resized, 0, scratch), across, out);
    write(y, out);
  }
}

/// Resizes across, then down, row by row.
inline void resize_portable(const ImageView& image, const Taps& across, const Taps& down, Arena& arena,
                            RowWriter write) {
  Arena::Frame frame(arena);
  const Index bytes = across.count * 3;
  std::uint8_t* const scratch = frame.take<std::uint8_t>(image.width * 3);
  std::uint8_t* const out = frame.take<std::uint8_t>(bytes);
  // The source rows of consecutive outputs overlap, so a ring keeps as many as one output needs.
  const Index ring_rows = down.stride;
  std::uint8_t* const ring = frame.take<std::uint8_t>(ring_rows * bytes);  // (ring_rows, window, 3)
  const std::uint8_t** const rows = frame.take<const std::uint8_t*>(ring_rows);
  Index next = 0;
  for (Index y = 0; y < down.count; ++y) {
    const Span span = down.spans[y];
    next = std::max(next, span.first);
    for (; next < span.first + span.count; ++next) {
      resample_row(rgb_row(image, next, scratch), across, ring + next % ring_rows * bytes);
    }
    for (Index i = 0; i < span.count; ++i) rows[i] = ring + (span.first + i) % ring_rows * bytes;
    resample_column(rows, down.of(y), span.count, bytes, out);
    write(y, out);
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
