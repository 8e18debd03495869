// torch.nn.MaxPool2d(2).
#pragma once

#include <algorithm>

#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The maximum over each 2x2 pixels per channel: x (H*W, C) of the even size (H, W) -> out (H/2 * W/2, C).
inline void max_pool(const ConstRows& x, Size size, const Executor& executor, Rows out) {
  const Index width = size.width / 2;
  executor.for_each(size.height / 2, [&](Index y, Index) {
    for (Index column = 0; column < width; ++column) {
      const float* const above = x.data() + (2 * y * size.width + 2 * column) * x.outerStride();
      const float* const below = above + size.width * x.outerStride();
      const float *const above_right = above + x.outerStride(), *const below_right = below + x.outerStride();
      float* const to = out.data() + (y * width + column) * out.outerStride();
      for (Index c = 0; c < x.cols(); ++c) {
        to[c] = std::max(std::max(above[c], above_right[c]), std::max(below[c], below_right[c]));
      }
    }
  });
}

}  // namespace beit::inline BEIT_ABI
