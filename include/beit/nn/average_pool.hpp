// torch.nn.AdaptiveAvgPool2d.
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The mean of a window per channel, summed in double precision: x of the size (H, W) -> out, whose size (h, w) says
/// how many windows there are. Line y of out has lines [y*H / h, ceil((y + 1)*H / h)) of x for its windows, and columns
/// likewise: windows overlap where h doesn't divide H. ArgumentError for an x without pixels.
inline void adaptive_average_pool(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) {
  detail::require_pixels(x.size, {1, 1}, "adaptive_average_pool");
  constexpr Index strip = 64;  // channels that are summed at a time
  const auto begin = [](Index i, Index from, Index to) { return i * from / to; };
  const auto end = [](Index i, Index from, Index to) { return detail::ceil_div((i + 1) * from, to); };
  workspace.executor().for_each(out.size.area(), [&](Index pixel, Index) {
    const Index row = pixel / out.size.width, column = pixel % out.size.width;
    const Index top = begin(row, x.size.height, out.size.height), bottom = end(row, x.size.height, out.size.height);
    const Index left = begin(column, x.size.width, out.size.width), right = end(column, x.size.width, out.size.width);
    const double area = static_cast<double>((bottom - top) * (right - left));
    for (Index first = 0; first < x.channels(); first += strip) {
      const Index count = std::min(strip, x.channels() - first);
      double sums[strip] = {};
      for (Index i = top; i < bottom; ++i) {
        for (Index j = left; j < right; ++j) {
          const float* const from = x.pixel(i, j) + first;
          for (Index c = 0; c < count; ++c) sums[c] += static_cast<double>(from[c]);
        }
      }
      float* const to = out.pixel(row, column) + first;
      for (Index c = 0; c < count; ++c) to[c] = static_cast<float>(sums[c] / area);
    }
  });
}

}  // namespace beit::inline BEIT_ABI
