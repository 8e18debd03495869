// torch.nn.functional.interpolate(mode="bilinear", align_corners=False) without antialiasing.
#pragma once

#include <algorithm>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The two lines or columns between which one of the result lies, and the weight of the second.
struct LinearTap {
  Index first, second;
  float weight;

  /// The tap of number `i` of `to`, which are spread over `from`. Centres of pixels lie at halves, and beyond the outer
  /// ones the picture is constant. Where nothing is resized, no neighbour is read, not even with the weight 0.
  static LinearTap at(Index i, Index from, Index to) {
    if (from == to) return {i, i, 0.0f};
    const float scale = static_cast<float>(from) / static_cast<float>(to);
    const float position = std::max((static_cast<float>(i) + 0.5f) * scale - 0.5f, 0.0f);
    const Index first = std::min(static_cast<Index>(position), from - 1);
    return {first, std::min(first + 1, from - 1), position - static_cast<float>(first)};
  }
};

}  // namespace detail

/// Writes line `y` of x (h, w) resized to the size (H, W) to out, W pixels that are `stride` floats apart.
/// `Assign` is called with the place of a pixel, (C,), and an Eigen expression of its value. ArgumentError for an x
/// without pixels.
template <typename Assign>
void resize_bilinear_line(const ConstFeatureMap& x, Size size, Index y, float* out, Index stride,
                          const Assign& assign) {
  detail::require_pixels(x.size, {1, 1}, "resize_bilinear");
  const auto pixel = [&](Index at_row, Index at_column) {
    return Eigen::Map<const Eigen::ArrayXf>(x.pixel(at_row, at_column), x.channels());
  };
  if (x.size == size) {  // a copy, as torch's numbers are but for infinities, which it multiplies by 0
    for (Index i = 0; i < size.width; ++i, out += stride) {
      assign(Eigen::Map<Eigen::ArrayXf>(out, x.channels()), pixel(y, i));
    }
    return;
  }
  const detail::LinearTap row = detail::LinearTap::at(y, x.size.height, size.height);
  for (Index i = 0; i < size.width; ++i, out += stride) {
    const detail::LinearTap column = detail::LinearTap::at(i, x.size.width, size.width);
    const float below = row.weight, above = 1 - below, right = column.weight, left = 1 - right;
    assign(Eigen::Map<Eigen::ArrayXf>(out, x.channels()),
           above * (left * pixel(row.first, column.first) + right * pixel(row.first, column.second)) +
               below * (left * pixel(row.second, column.first) + right * pixel(row.second, column.second)));
  }
}

/// out = x, resized to the size of out.
inline void resize_bilinear(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) {
  workspace.executor().for_each(out.size.height, [&](Index y, Index) {
    resize_bilinear_line(x, out.size, y, out.pixel(y, 0), out.pixels.outerStride(),
                         [](auto pixel, const auto& value) { pixel = value; });
  });
}

/// out += x, resized to the size of out.
inline void resize_bilinear_add(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) {
  workspace.executor().for_each(out.size.height, [&](Index y, Index) {
    resize_bilinear_line(x, out.size, y, out.pixel(y, 0), out.pixels.outerStride(),
                         [](auto pixel, const auto& value) { pixel += value; });
  });
}

}  // namespace beit::inline BEIT_ABI
