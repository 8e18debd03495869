// Pillow's resampling of 8-bit images, bit for bit, for a window of the resized image.
//
// Source of the arithmetic: Pillow's src/libImaging/Resample.c (antialiased filters) and Geometry.c (nearest).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

/// Pillow's filters, under the names that timm's `interpolation` has for them.
enum class Interpolation { nearest, box, bilinear, hamming, bicubic, lanczos };

/// `count` rows or columns from `first` on.
struct Window {
  Index first = 0;
  Index count = 0;
};

namespace detail {

inline constexpr int weight_bits = 22;  // 32, less 8 for a pixel, less 2 for sign and overshoot

/// A product that no compiler fuses with a following sum: fused it would be rounded once where Pillow rounds twice.
inline double product(double a, double b) {
  volatile double rounded = a * b;
  return rounded;
}

inline double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

/// The filters' reach on either side, in pixels of the coarser grid.
inline double filter_support(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::box:
      return 0.5;
    case Interpolation::bicubic:
      return 2.0;
    case Interpolation::lanczos:
      return 3.0;
    default:
      return 1.0;
  }
}

inline double filter_value(Interpolation interpolation, double x) {
  const double distance = std::abs(x);
  switch (interpolation) {
    case Interpolation::nearest:
    case Interpolation::box:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case Interpolation::bilinear:
      return distance < 1.0 ? 1.0 - distance : 0.0;
    case Interpolation::hamming: {
      if (distance == 0.0) return 1.0;
      if (distance >= 1.0) return 0.0;
      const double angle = distance * std::numbers::pi;
      // Pillow's constants are floats.
      return std::sin(angle) / angle * (double{0.54f} + product(double{0.46f}, std::cos(angle)));
    }
    case Interpolation::bicubic: {
      constexpr double a = -0.5;
      if (distance < 1.0) {
        return product(product(product(a + 2.0, distance) - (a + 3.0), distance), distance) + 1.0;
      }
      if (distance < 2.0) return (product(product(distance - 5.0, distance) + 8.0, distance) - 4.0) * a;
      return 0.0;
    }
    case Interpolation::lanczos:
      return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
  }
  return 0.0;
}

/// For each row (or column) of a window of the resized image: which source pixels it sums, with which weights.
struct Taps {
  struct Span {
    Index first;  ///< The first source pixel.
    Index count;  ///< How many.
  };

  Index stride = 0;                   ///< The weights of one output, padded.
  std::vector<Span> spans;            // (window)
  std::vector<std::int32_t> weights;  // (window, stride), fixed point: 1.0 is 1 << weight_bits

  const std::int32_t* of(Index output) const { return weights.data() + output * stride; }
};

inline Taps make_taps(Index source, Index resized, Window window, Interpolation interpolation) {
  const double scale = static_cast<double>(source) / static_cast<double>(resized);
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_support(interpolation) * filter_scale;
  const double inverse = 1.0 / filter_scale;

  Taps taps;
  taps.stride = std::min(source, static_cast<Index>(std::ceil(support)) * 2 + 1);
  taps.spans.resize(static_cast<std::size_t>(window.count));
  taps.weights.assign(static_cast<std::size_t>(window.count * taps.stride), 0);
  std::vector<double> exact(static_cast<std::size_t>(taps.stride));
  for (Index i = 0; i < window.count; ++i) {
    const double center = product(static_cast<double>(window.first + i) + 0.5, scale);
    const Index first = std::max(static_cast<Index>(center - support + 0.5), Index{0});
    const Index last = std::min(static_cast<Index>(center + support + 0.5), source);
    const Index count = std::min(last - first, taps.stride);
    double sum = 0.0;
    for (Index x = 0; x < count; ++x) {
      const double position = static_cast<double>(x + first) - center + 0.5;
      const double weight = filter_value(interpolation, product(position, inverse));
      exact[static_cast<std::size_t>(x)] = weight;
      sum += weight;
    }
    std::int32_t* fixed = taps.weights.data() + i * taps.stride;
    for (Index x = 0; x < count; ++x) {
      double weight = exact[static_cast<std::size_t>(x)];
      if (sum != 0.0) weight /= sum;
      // Scaling by a power of two is exact, so fusing it with the sum changes nothing.
      fixed[x] = static_cast<std::int32_t>(weight * (1 << weight_bits) + (weight < 0.0 ? -0.5 : 0.5));
    }
    taps.spans[static_cast<std::size_t>(i)] = {first, count};
  }
  return taps;
}

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

/// Nearest: the source pixel of each output. Pillow steps by repeated addition, and the rounding of the sum shows.
/// -1 where the sum steps past the last pixel: Pillow leaves it black.
inline std::vector<Index> nearest_sources(Index source, Index resized, Window window) {
  const double step = static_cast<double>(source) / static_cast<double>(resized);
  std::vector<Index> sources(static_cast<std::size_t>(window.count));
  double position = step * 0.5;
  for (Index i = 0; i < window.first + window.count; ++i, position += step) {
    const Index pixel = static_cast<Index>(position);
    if (i >= window.first) sources[static_cast<std::size_t>(i - window.first)] = pixel < source ? pixel : -1;
  }
  return sources;
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

}  // namespace detail

/// What `Image.resize(resized, interpolation).crop(window)` gives in Pillow for the image as RGB.
///
/// Only the window is computed, from only the source rows that it needs, a few rows in memory at a time: the
/// resized image never exists. Throws ImageError for an image or a size that can't be, ArgumentError for a window
/// that isn't inside `resized`.
inline void resize_window(const ImageView& image, Size resized, Window rows, Window cols, Interpolation interpolation,
                          std::uint8_t* out) {  // (rows.count, cols.count, 3)
  detail::require_readable(image);
  if (resized.height < 1 || resized.width < 1 || resized.height > detail::max_image_side ||
      resized.width > detail::max_image_side) {
    throw ImageError("resize: found " + std::to_string(image.height) + " x " + std::to_string(image.width) +
                     " pixels to be resized to " + std::to_string(resized.height) + " x " +
                     std::to_string(resized.width) + ", wanted sides of 1 to " +
                     std::to_string(detail::max_image_side));
  }
  const auto inside = [](Window window, Index size) {
    return window.first >= 0 && window.count >= 0 && window.first <= size && window.count <= size - window.first;
  };
  if (!inside(rows, resized.height) || !inside(cols, resized.width)) {
    throw ArgumentError("resize: found a window of rows " + std::to_string(rows.first) + " + " +
                        std::to_string(rows.count) + " and columns " + std::to_string(cols.first) + " + " +
                        std::to_string(cols.count) + ", wanted it inside " + std::to_string(resized.height) + " x " +
                        std::to_string(resized.width));
  }
  if (rows.count == 0 || cols.count == 0) return;

  // Pillow skips a pass over a side that keeps its size; a window then copies.
  const bool keep_height = resized.height == image.height;
  const bool keep_width = resized.width == image.width;
  if (interpolation == Interpolation::nearest && !(keep_height && keep_width)) {
    return detail::resize_nearest(image, resized, rows, cols, out);
  }
  const detail::Taps across =
      keep_width ? detail::Taps() : detail::make_taps(image.width, resized.width, cols, interpolation);
  const detail::Taps down =
      keep_height ? detail::Taps() : detail::make_taps(image.height, resized.height, rows, interpolation);

  const Index bytes = cols.count * 3;
  std::vector<std::uint8_t> scratch(image.channels == 3 ? 0 : static_cast<std::size_t>(image.width * 3));
  const auto horizontal = [&](Index y, std::uint8_t* to) {
    const std::uint8_t* row = detail::rgb_row(image, y, scratch.data());
    if (keep_width) {
      std::copy_n(row + cols.first * 3, bytes, to);
    } else {
      detail::resample_row(row, across, to);
    }
  };
  if (keep_height) {
    for (Index y = 0; y < rows.count; ++y) horizontal(rows.first + y, out + y * bytes);
    return;
  }

  // The source rows of consecutive outputs overlap: a ring keeps as many as one output needs.
  const Index ring_rows = down.stride;
  std::vector<std::uint8_t> ring(static_cast<std::size_t>(ring_rows * bytes));  // (ring_rows, cols.count, 3)
  std::vector<const std::uint8_t*> pointers(static_cast<std::size_t>(ring_rows));
  Index next = 0;
  for (Index y = 0; y < rows.count; ++y) {
    const detail::Taps::Span span = down.spans[static_cast<std::size_t>(y)];
    next = std::max(next, span.first);
    for (; next < span.first + span.count; ++next) horizontal(next, ring.data() + next % ring_rows * bytes);
    for (Index i = 0; i < span.count; ++i) {
      pointers[static_cast<std::size_t>(i)] = ring.data() + (span.first + i) % ring_rows * bytes;
    }
    detail::resample_column(pointers.data(), down.of(y), span.count, bytes, out + y * bytes);
  }
}

}  // namespace beit::inline BEIT_ABI
