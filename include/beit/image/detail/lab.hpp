// Turns CIELab into sRGB as Pillow does, which leaves it to Little CMS: not by the formulas for each pixel but between
// the points of a grid.
//
// Source: IEC 61966-2-1 and CIE 15, and Little CMS's tetrahedral interpolation (cmsintrp.c).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The number of the grid's points on each axis.
inline constexpr std::size_t lab_points = 33;

/// Computes the grid: (33, 33, 33, 3) for L from 0 to 100 and for a and b from -128 to 127, red, green and blue as
/// fractions of 65535.
BEIT_COLD inline std::vector<std::uint16_t> lab_grid() {
  // XYZ with the white of D50 to linear sRGB, whose white of D65 is adapted by Bradford's method.
  constexpr double matrix[3][3] = {{3.134186364237, -1.617208958998, -0.490694064006},
                                   {-0.978748504191, 1.916130096774, 0.033433399160},
                                   {0.071963927802, -0.228993873453, 1.405753732896}};
  constexpr std::array<double, 3> white{0.9642, 1.0, 0.8249};
  const auto cube = [](double t) { return t > 24.0 / 116 ? t * t * t : 108.0 / 841 * (t - 16.0 / 116); };
  const auto position = [](std::size_t i) {
    return std::floor(static_cast<double>(i) * 65535.0 / (lab_points - 1) + 0.5);
  };
  std::vector<std::uint16_t> grid;
  grid.reserve(lab_points * lab_points * lab_points * 3);
  for (std::size_t l = 0; l < lab_points; ++l) {
    for (std::size_t a = 0; a < lab_points; ++a) {
      for (std::size_t b = 0; b < lab_points; ++b) {
        const double y = (position(l) * 100 / 65535 + 16) / 116;
        const std::array<double, 3> xyz{white[0] * cube(y + (position(a) / 257 - 128) / 500), white[1] * cube(y),
                                        white[2] * cube(y - (position(b) / 257 - 128) / 200)};
        for (const auto& row : matrix) {
          const double linear = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2];
          const double level = linear <= 0.04045 / 12.92 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
          grid.push_back(static_cast<std::uint16_t>(std::clamp(std::floor(level * 65535 + 0.5), 0.0, 65535.0)));
        }
      }
    }
  }
  return grid;
}

/// Looks a colour up: L of 0 to 255, a and b of 0 to 255 with 128 for none.
inline void lab_to_rgb(const std::vector<std::uint16_t>& grid, std::array<std::uint8_t, 3> lab, std::uint8_t* out) {
  constexpr std::array<std::size_t, 3> strides{lab_points * lab_points * 3, lab_points * 3, 3};
  std::array<std::pair<std::int64_t, std::size_t>, 3> steps;  // the rest on each axis, and the way to the next point
  std::size_t corner = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t scaled = std::int64_t{lab[axis]} * 257 * std::int64_t{lab_points - 1};
    const std::int64_t fixed = scaled + (scaled + 0x7fff) / 0xffff;  // 16 bits after the point
    corner += static_cast<std::size_t>(fixed >> 16) * strides[axis];
    steps[axis] = {fixed & 0xffff, lab[axis] == 255 ? 0 : strides[axis]};
  }
  std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t c = 0; c < 3; ++c) {
    std::size_t at = corner + c;
    std::int64_t rest = 0x8001;
    for (const auto& [fraction, step] : steps) {
      rest += (std::int64_t{grid[at + step]} - grid[at]) * fraction;
      at += step;
    }
    const std::int64_t level = grid[corner + c] + ((rest + (rest >> 16)) >> 16);
    out[c] = static_cast<std::uint8_t>((level * 65281 + 8388608) >> 24);
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
