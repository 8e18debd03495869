// torch.nn.MaxPool2d(2).
#pragma once

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The maximum over each 2x2 pixels per channel, NaN if one is NaN, as in torch: x of the size (H, W) -> out of the
/// size (H/2, W/2), rounded down: the last line or column of an odd size is left out. ArgumentError for an x of less
/// than 2x2 pixels.
inline void max_pool(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) {
  detail::require_pixels(x.size, {2, 2}, "max_pool");
  const auto larger = [](float a, float b) { return a > b || a != a ? a : b; };
  workspace.executor().for_each(out.size.height, [&](Index y, Index) {
    for (Index column = 0; column < out.size.width; ++column) {
      const float* const above = x.pixel(2 * y, 2 * column);
      const float* const below = x.pixel(2 * y + 1, 2 * column);
      const Index right = x.pixels.outerStride();
      float* const to = out.pixel(y, column);
      for (Index c = 0; c < out.channels(); ++c) {
        to[c] = larger(larger(above[c], above[right + c]), larger(below[c], below[right + c]));
      }
    }
  });
}

}  // namespace beit::inline BEIT_ABI
