// torch.nn.MaxPool2d(2).
#pragma once

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The maximum over each 2x2 pixels per channel: x of the size (H, W) -> out of the size (H/2, W/2), rounded down: the
/// last line or column of an odd size is left out.
inline void max_pool(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) {
  workspace.executor().for_each(out.size.height, [&](Index y, Index) {
    for (Index column = 0; column < out.size.width; ++column) {
      const auto pixel = [&](Index dy, Index dx) {
        return Eigen::Map<const Eigen::ArrayXf>(x.pixel(2 * y + dy, 2 * column + dx), x.channels());
      };
      Eigen::Map<Eigen::ArrayXf>(out.pixel(y, column), out.channels()) =
          pixel(0, 0).max(pixel(0, 1)).max(pixel(1, 0).max(pixel(1, 1)));
    }
  });
}

}  // namespace beit::inline BEIT_ABI
