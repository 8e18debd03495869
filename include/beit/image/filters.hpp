// The weights of Pillow's filters, by which images are resized, and the positions of a model for another size.
//
// Source: Pillow's src/libImaging/Resample.c.
#pragma once

#include <cmath>
#include <numbers>

#include <beit/core/version.hpp>
#include <beit/image/interpolation.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Returns a product that no compiler fuses with a following sum: a fused one would be rounded once, where Pillow
/// rounds twice.
inline double product(double a, double b) {
  volatile double rounded = a * b;
  return rounded;
}

/// sin(pi x) / (pi x).
inline double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

/// A filter's reach on either side, in pixels of the coarser grid.
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

/// A filter's weight at the distance x from its centre, in pixels of the coarser grid.
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

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
