// The resize in plain C++: for any processor, and the oracle of the other levels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

/// The horizontal pass for one row: out[i] is the weighted sum of the row's pixels that taps.spans[i] names.
inline void resample_row(const std::uint8_t* row,  // (source width, 3)
                         const Taps& taps,
                         std::uint8_t* out) {  // (window, 3)
  const Index count = static_cast<Index>(taps.spans.size());
  for (Index i = 0; i < count; ++i) {
    const Taps::Span span = taps.spans[static_cast<std::size_t>(i)];
    const std::int32_t* weight = taps.of(i);
    const std::uint8_t* pixel = row + 3 * span.first;
    std::int32_t red = 1 << (weight_bits - 1), green = red, blue = red;
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

/// The vertical pass for one row: out is the weighted sum of `count` rows of `bytes` bytes.
inline void resample_column(const std::uint8_t* const* rows,  // (count) pointers to (bytes)
                            const std::int32_t* weights,      // (count)
                            Index count, Index bytes,
                            std::uint8_t* out) {  // (bytes)
  constexpr Index block = 256;                    // sums stay in the first-level cache
  std::int32_t sums[block];
  for (Index begin = 0; begin < bytes; begin += block) {
    const Index size = std::min(block, bytes - begin);
    std::fill_n(sums, size, 1 << (weight_bits - 1));
    for (Index y = 0; y < count; ++y) {
      const std::uint8_t* row = rows[y] + begin;
      const std::int32_t weight = weights[y];
      for (Index x = 0; x < size; ++x) sums[x] += weight * row[x];
    }
    for (Index x = 0; x < size; ++x) out[begin + x] = to_byte(sums[x]);
  }
}

/// One row of any view as RGB: the row itself, or `scratch` filled.
inline const std::uint8_t* rgb_row(const ImageView& image, Index y, std::uint8_t* scratch) {  // (width, 3)
  const std::uint8_t* row = image.row(y);
  if (image.channels == 3) return row;
  const Index step = image.channels;
  const Index green = step == 4 ? 1 : 0;
  for (Index x = 0; x < image.width; ++x, row += step) {
    scratch[3 * x] = row[0];
    scratch[3 * x + 1] = row[green];
    scratch[3 * x + 2] = row[2 * green];
  }
  return scratch;
}

inline void resize_nearest(const ImageView& image, Size resized, Window rows, Window cols, std::uint8_t* out) {
  const std::vector<Index> ys = nearest_sources(image.height, resized.height, rows);
  const std::vector<Index> xs = nearest_sources(image.width, resized.width, cols);
  const Index green = image.channels >= 3 ? 1 : 0;
  for (const Index y : ys) {
    for (const Index x : xs) {
      const bool inside = y >= 0 && x >= 0;
      const std::uint8_t* pixel = inside ? image.row(y) + x * image.channels : nullptr;
      *out++ = inside ? pixel[0] : std::uint8_t{0};
      *out++ = inside ? pixel[green] : std::uint8_t{0};
      *out++ = inside ? pixel[2 * green] : std::uint8_t{0};
    }
  }
}

/// Both passes, row by row.
inline void resize_portable(const ImageView& image, const Taps& across, const Taps& down,
                            std::uint8_t* out) {  // (down's window, across' window, 3)
  const Index bytes = static_cast<Index>(across.spans.size()) * 3;
  std::vector<std::uint8_t> scratch(image.channels == 3 ? 0 : static_cast<std::size_t>(image.width * 3));
  // The source rows of consecutive outputs overlap: a ring keeps as many as one output needs.
  const Index ring_rows = down.stride;
  std::vector<std::uint8_t> ring(static_cast<std::size_t>(ring_rows * bytes));  // (ring_rows, window, 3)
  std::vector<const std::uint8_t*> pointers(static_cast<std::size_t>(ring_rows));
  Index next = 0;
  for (std::size_t y = 0; y < down.spans.size(); ++y, out += bytes) {
    const Taps::Span span = down.spans[y];
    next = std::max(next, span.first);
    for (; next < span.first + span.count; ++next) {
      resample_row(rgb_row(image, next, scratch.data()), across, ring.data() + next % ring_rows * bytes);
    }
    for (Index i = 0; i < span.count; ++i) {
      pointers[static_cast<std::size_t>(i)] = ring.data() + (span.first + i) % ring_rows * bytes;
    }
    resample_column(pointers.data(), down.of(static_cast<Index>(y)), span.count, bytes, out);
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
