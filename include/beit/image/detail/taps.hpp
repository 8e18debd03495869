// The source pixels and weights that each pixel of a resized image sums: Pillow's filters in fixed point.
//
// Source: Pillow's src/libImaging/Resample.c (antialiased filters) and Geometry.c (nearest).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <beit/core/arena.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/filters.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/kernels/strips.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The source pixels that one output sums.
struct Span {
  Index first;
  Index count;
};

/// The source pixels and weights for each row (or column) of a window of the resized image.
struct Taps {
  Span* spans;            // (count)
  std::int32_t* weights;  // (count, stride), fixed point: 1.0 is 1 << kernels::weight_bits
  Index count;            // outputs
  Index stride;           // weights per output, including padding

  const std::int32_t* of(Index output) const { return weights + output * stride; }
};

/// Computes taps in the memory of `frame`.
inline Taps make_taps(Index source, Index resized, Window window, Interpolation interpolation, Arena::Frame& frame) {
  const double scale = static_cast<double>(source) / static_cast<double>(resized);
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_support(interpolation) * filter_scale;
  const double inverse = 1.0 / filter_scale;

  const Index stride = std::min(source, static_cast<Index>(std::ceil(support)) * 2 + 1);
  const Taps taps{frame.take<Span>(window.count), frame.take<std::int32_t>(window.count * stride), window.count,
                  stride};
  double* const exact = frame.take<double>(stride);
  for (Index i = 0; i < window.count; ++i) {
    const double centre = product(static_cast<double>(window.first + i) + 0.5, scale);
    const Index first = std::max(static_cast<Index>(centre - support + 0.5), Index{0});
    const Index last = std::min(static_cast<Index>(centre + support + 0.5), source);
    const Index count = std::min(last - first, stride);
    double sum = 0.0;
    for (Index x = 0; x < count; ++x) {
      const double position = static_cast<double>(x + first) - centre + 0.5;
      exact[x] = filter_value(interpolation, product(position, inverse));
      sum += exact[x];
    }
    std::int32_t* const fixed = taps.weights + i * stride;
    for (Index x = 0; x < count; ++x) {
      const double weight = sum != 0.0 ? exact[x] / sum : exact[x];
      // Scaling by a power of two is exact, so that fusing it with the sum changes nothing.
      fixed[x] = static_cast<std::int32_t>(weight * (1 << kernels::weight_bits) + (weight < 0.0 ? -0.5 : 0.5));
    }
    std::fill(fixed + count, fixed + stride, 0);
    taps.spans[i] = {first, count};
  }
  return taps;
}

/// The nearest source pixel of each output, in the memory of `frame`. Like Pillow, it steps by repeated addition, whose
/// rounding matters. It is -1 if the sum steps past the last pixel, which Pillow leaves black.
inline const Index* nearest_sources(Index source, Index resized, Window window, Arena::Frame& frame) {  // (window)
  const double step = static_cast<double>(source) / static_cast<double>(resized);
  Index* const sources = frame.take<Index>(window.count);
  double position = step * 0.5;
  for (Index i = 0; i < window.first + window.count; ++i, position += step) {
    const Index pixel = static_cast<Index>(position);
    if (i >= window.first) sources[i - window.first] = pixel < source ? pixel : -1;
  }
  return sources;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
