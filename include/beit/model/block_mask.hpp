// Chooses the patches that pre-training hides.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Returns a blockwise mask (grid.area(),), row by row, 1 for hidden patches: random rectangles of 16 patches or more,
/// with an aspect ratio log-uniform in [0.3, 1/0.3], are added until exactly round(ratio * patches) are covered; the
/// last ones may be smaller. Source: BEiT, algorithm 1; pre-training hides 75 of 196. The same seed gives the same mask
/// on every machine. ArgumentError for an empty grid or a ratio outside [0, 1].
inline std::vector<std::uint8_t> block_mask(Size grid, double ratio, std::uint64_t seed) {
  if (grid.height < 1 || grid.width < 1) throw ArgumentError("block_mask: found an empty grid, wanted patches");
  if (!(ratio >= 0 && ratio <= 1)) {
    throw ArgumentError(detail::concat({"block_mask: found ratio ", std::to_string(ratio), ", wanted 0 to 1"}));
  }
  std::mt19937_64 generator(seed);
  // The distributions of <random> differ between standard libraries.
  const auto uniform = [&](double from, double to) {
    return from + (to - from) * static_cast<double>(generator() >> 11) * 0x1p-53;
  };
  constexpr double least_area = 16, widest_aspect = 0.3;
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(grid.area()), 0);
  const auto at = [&](Index y, Index x) -> std::uint8_t& { return mask[static_cast<std::size_t>(y * grid.width + x)]; };
  for (Index left = std::llround(ratio * static_cast<double>(grid.area())); left > 0;) {
    const double most = static_cast<double>(left);
    const double area = uniform(std::min(least_area, most), most);
    const double aspect = std::exp(uniform(std::log(widest_aspect), -std::log(widest_aspect)));
    const auto side = [](double length, Index limit) { return std::clamp<Index>(std::llround(length), 1, limit); };
    const Size block{side(std::sqrt(area * aspect), grid.height), side(std::sqrt(area / aspect), grid.width)};
    const auto offset = [&](Index room) { return static_cast<Index>(uniform(0, static_cast<double>(room + 1))); };
    const Index top = offset(grid.height - block.height), begin = offset(grid.width - block.width);
    Index fresh = 0;
    for (Index y = top; y < top + block.height; ++y) {
      for (Index x = begin; x < begin + block.width; ++x) fresh += at(y, x) == 0;
    }
    if (fresh == 0 || fresh > left) continue;
    for (Index y = top; y < top + block.height; ++y) {
      for (Index x = begin; x < begin + block.width; ++x) at(y, x) = 1;
    }
    left -= fresh;
  }
  return mask;
}

}  // namespace beit::inline BEIT_ABI
