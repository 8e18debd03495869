// Which source pixels each pixel of a resized image sums, with which weights: Pillow's filters in fixed point.
//
// Source: Pillow's src/libImaging/Resample.c (antialiased filters) and Geometry.c (nearest).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

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
      return std::sin(angle) / angle *
             (static_cast<double>(0.54f) + product(static_cast<double>(0.46f), std::cos(angle)));
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

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
