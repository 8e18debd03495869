// Colours for numbers and for classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <beit/beit.hpp>

#include "text_picture.hpp"

namespace programs {

/// Converts OKLCh, in which equal steps look equal, to sRGB. Lightness is in [0, 1], chroma from 0 for grey, hue in
/// degrees. Source: Björn Ottosson, "A perceptual color space for image processing", 2020.
inline Colour oklch_colour(double lightness, double chroma, double hue) {
  const double a = chroma * std::cos(hue * std::numbers::pi / 180), b = chroma * std::sin(hue * std::numbers::pi / 180);
  const auto cube = [](double x) { return x * x * x; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  const auto encode = [](double linear) {
    linear = std::clamp(linear, 0.0, 1.0);
    const double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
    return static_cast<std::uint8_t>(std::lround(255 * value));
  };
  return {encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          encode(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

/// Goes from dark purple at 0 through blue and green to light yellow at 1. Lightness grows in proportion to t.
inline Colour sequential_colour(double t) {
  t = std::clamp(t, 0.0, 1.0);
  const double from_middle = 2 * t - 1;
  // The largest chroma that a screen can show at these hues, which is least in the middle.
  const double chroma = 0.09 + (t < 0.5 ? 0.04 : 0.1) * from_middle * from_middle;
  return oklch_colour(0.25 + 0.67 * t, chroma, 300 - 195 * t);
}

/// The colour of class `i` of `count`. Hues are spread around the circle; neighbours differ in lightness as well.
inline Colour class_colour(beit::Index i, beit::Index count) {
  const double hue = 30 + 360 * static_cast<double>(i) / static_cast<double>(count);
  return oklch_colour(i % 2 == 0 ? 0.58 : 0.74, 0.15, hue);
}

/// Mixes two colours: `share` is the weight of `over`.
inline Colour blend(Colour over, Colour under, double share) {
  Colour result;
  for (std::size_t c = 0; c < 3; ++c) {
    result[c] = static_cast<std::uint8_t>(std::lround(share * over[c] + (1 - share) * under[c]));
  }
  return result;
}

}  // namespace programs
