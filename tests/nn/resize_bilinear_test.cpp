#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <beit/nn/resize_bilinear.hpp>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::resize_bilinear_test {

using beit::Index;
using beit::Matrix;
using beit::Size;

/// The value at a position between pixels of x, whose centres lie at halves; constant beyond the outer ones.
double value(const Matrix& x, Size size, double row, double column, Index channel) {
  row = std::clamp(row - 0.5, 0.0, static_cast<double>(size.height - 1));
  column = std::clamp(column - 0.5, 0.0, static_cast<double>(size.width - 1));
  double sum = 0;
  for (Index y = 0; y < size.height; ++y) {
    for (Index i = 0; i < size.width; ++i) {
      const double weight = std::max(0.0, 1 - std::abs(row - static_cast<double>(y))) *
                            std::max(0.0, 1 - std::abs(column - static_cast<double>(i)));
      sum += weight * static_cast<double>(x(y * size.width + i, channel));
    }
  }
  return sum;
}

TEST(ResizeBilinear, InterpolatesBetweenCentresOfPixels) {
  const Index channels = 5;
  for (const auto& [size, to] :
       {std::pair{Size{4, 5}, Size{8, 10}}, std::pair{Size{3, 7}, Size{10, 9}}, std::pair{Size{9, 8}, Size{4, 3}},
        std::pair{Size{1, 1}, Size{3, 2}}, std::pair{Size{6, 2}, Size{6, 2}}}) {
    const Matrix x = numbers(RandomWeights(5), "x", size.area(), channels + 2);
    const beit::ConstFeatureMap in{x.map().leftCols(channels), size};
    beit::ThreadPool pool(3);
    beit::Workspace workspace(pool);
    Matrix out(to.area(), channels + 1);
    out.map().setConstant(7.0f);
    const beit::FeatureMap map{out.map().leftCols(channels), to};
    beit::resize_bilinear(in, workspace, map);
    for (int times = 1; times <= 2; ++times) {
      for (Index row = 0; row < to.height; ++row) {
        for (Index column = 0; column < to.width; ++column) {
          for (Index c = 0; c < channels; ++c) {
            const auto at = [](Index i, Index from, Index count) {
              return (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(count);
            };
            const double wanted = value(x, size, at(row, size.height, to.height), at(column, size.width, to.width), c);
            ASSERT_NEAR(out(row * to.width + column, c), times * wanted, 1e-6) << row << ' ' << column;
          }
          ASSERT_EQ(out(row * to.width + column, channels), 7.0f);
        }
      }
      beit::resize_bilinear_add(in, workspace, map);
    }
  }
}

}  // namespace beit_test::resize_bilinear_test
