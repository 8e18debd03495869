// Restores a PNG's rows and converts them to RGB.
//
// Source: the PNG specification, sections 7 to 9.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/detail/png_chunks.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// One of the bytes to the left, above, and above to the left: whichever is nearest to left + above - corner.
inline int paeth(int left, int above, int corner) {
  const int to_left = std::abs(above - corner), to_above = std::abs(left - corner);
  const int to_corner = std::abs(left + above - 2 * corner);
  const int nearer = to_above <= to_corner ? above : corner;
  return to_left <= std::min(to_above, to_corner) ? left : nearer;
}

/// Adds to each byte the prediction that `predict` makes of the bytes to its left, above, and above to the left.
/// `PixelBytes` is the distance to the left, and the width a multiple of it.
template <std::size_t PixelBytes, typename Predict>
void add_predictions(const std::uint8_t* row, const std::uint8_t* above, std::size_t bytes, std::uint8_t* out,
                     Predict predict) {
  std::array<int, PixelBytes> left{}, corner{};
  const auto add = [&](std::size_t c) {
    const int up = above[c];
    left[c] = (row[c] + predict(left[c], up, corner[c])) & 0xff;
    corner[c] = up;
    out[c] = static_cast<std::uint8_t>(left[c]);
  };
  for (std::size_t i = 0; i < bytes; i += PixelBytes, row += PixelBytes, above += PixelBytes, out += PixelBytes) {
    // Unrolled, so that the array stays in registers.
    [&]<std::size_t... C>(std::index_sequence<C...>) { (add(C), ...); }
    (std::make_index_sequence<PixelBytes>());
  }
}

/// Restores a row that was filtered by method 1 to 4.
template <std::size_t PixelBytes>
void unfilter(int method, const std::uint8_t* row, const std::uint8_t* above, std::size_t bytes, std::uint8_t* out) {
  if (method == 1) {
    add_predictions<PixelBytes>(row, above, bytes, out, [](int left, int, int) { return left; });
  } else if (method == 2) {
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::uint8_t>(row[i] + above[i]);
  } else if (method == 3) {
    add_predictions<PixelBytes>(row, above, bytes, out, [](int left, int up, int) { return (left + up) / 2; });
  } else {
    add_predictions<PixelBytes>(row, above, bytes, out, &paeth);
  }
}

/// Restores a row. `above` is the row before it, or zeros. Returns false for an unknown method.
inline bool restore_png_row(int method, std::size_t pixel_bytes, const std::uint8_t* row, const std::uint8_t* above,
                            std::size_t bytes, std::uint8_t* out) {
  if (method > 4) return false;
  if (method == 0) {
    std::copy_n(row, bytes, out);
    return true;
  }
  const auto by = pixel_bytes == 1   ? &unfilter<1>
                  : pixel_bytes == 2 ? &unfilter<2>
                  : pixel_bytes == 3 ? &unfilter<3>
                  : pixel_bytes == 4 ? &unfilter<4>
                  : pixel_bytes == 6 ? &unfilter<6>
                                     : &unfilter<8>;
  by(method, row, above, bytes, out);
  return true;
}

/// Converts rows of a PNG's samples to RGB: alpha is dropped, and 16 bits are cut to the high byte.
class PngColours {
 public:
  BEIT_COLD explicit PngColours(const PngChunks& png) : depth_(png.depth), channels_(png.channels()) {
    is_indexed_ = png.colour == 3 || png.depth < 8;
    is_grey_ = png.colour == 0 || png.colour == 4;
    for (std::size_t i = 0; i < 256; ++i) {
      if (png.colour == 3) {
        for (std::size_t c = 0; c < 3 && 3 * i + c < png.palette.size(); ++c) table_[i][c] = png.palette[3 * i + c];
      } else {
        table_[i].fill(static_cast<std::uint8_t>(i * 255 / ((std::size_t{1} << std::min<std::size_t>(depth_, 8)) - 1)));
      }
    }
  }

  /// Writes `count` pixels, each `step` pixels after the one before.
  void to_rgb(const std::uint8_t* row, Index count, Index step, std::uint8_t* out) const {
    const std::size_t sample = depth_ == 16 ? 2 : 1, pixel = channels_ * sample;
    const std::size_t green = is_grey_ ? 0 : sample, blue = 2 * green;
    const auto put = [&](std::uint8_t r, std::uint8_t g, std::uint8_t b) {
      out[0] = r;
      out[1] = g;
      out[2] = b;
      out += 3 * step;
    };
    if (is_indexed_) {
      const std::size_t depth = depth_, mask = (std::size_t{1} << depth) - 1;
      for (std::size_t i = 0, bit = 0; i < static_cast<std::size_t>(count); ++i, bit += depth) {
        const std::array<std::uint8_t, 3>& colour = table_[std::size_t{row[bit / 8]} >> (8 - depth - bit % 8) & mask];
        put(colour[0], colour[1], colour[2]);
      }
    } else if (pixel == 3 && step == 1) {
      std::copy_n(row, 3 * count, out);
    } else {
      for (Index i = 0; i < count; ++i, row += pixel) put(row[0], row[green], row[blue]);
    }
  }

 private:
  std::size_t depth_, channels_;
  bool is_indexed_, is_grey_;
  std::array<std::array<std::uint8_t, 3>, 256> table_{};  // of indexed colours
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
