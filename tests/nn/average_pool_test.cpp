#include <gtest/gtest.h>

#include <beit/nn/average_pool.hpp>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::average_pool_test {

using beit::Index;
using beit::Matrix;
using beit::Size;

// torch.nn.AdaptiveAvgPool2d: a window begins at floor(i * H / h) and ends before ceil((i + 1) * H / h).
TEST(AdaptiveAveragePool, IsTheMeanOfEachWindow) {
  const Index channels = 70;  // more than are summed at a time
  for (const auto& [size, to] : {std::pair{Size{20, 20}, Size{6, 6}}, std::pair{Size{7, 5}, Size{3, 2}},
                                 std::pair{Size{2, 3}, Size{6, 3}}, std::pair{Size{9, 4}, Size{1, 1}}}) {
    const Matrix x = numbers(RandomWeights(3), "x", size.area(), channels + 2);
    beit::ThreadPool pool(3);
    beit::Workspace workspace(pool);
    Matrix out(to.area(), channels + 1);
    out.map().setConstant(7.0f);
    beit::adaptive_average_pool({x.map().leftCols(channels), size}, workspace, {out.map().leftCols(channels), to});
    for (Index row = 0; row < to.height; ++row) {
      for (Index column = 0; column < to.width; ++column) {
        const auto at = [](Index i, Index from, Index count) {
          return static_cast<double>(i) * static_cast<double>(from) / static_cast<double>(count);
        };
        const auto top = static_cast<Index>(std::floor(at(row, size.height, to.height)));
        const auto bottom = static_cast<Index>(std::ceil(at(row + 1, size.height, to.height)));
        const auto left = static_cast<Index>(std::floor(at(column, size.width, to.width)));
        const auto right = static_cast<Index>(std::ceil(at(column + 1, size.width, to.width)));
        for (Index c = 0; c < channels; ++c) {
          double sum = 0;
          for (Index y = top; y < bottom; ++y) {
            for (Index i = left; i < right; ++i) sum += static_cast<double>(x(y * size.width + i, c));
          }
          ASSERT_NEAR(out(row * to.width + column, c), sum / static_cast<double>((bottom - top) * (right - left)),
                      1e-7);
        }
        ASSERT_EQ(out(row * to.width + column, channels), 7.0f);
      }
    }
  }
}

TEST(AdaptiveAveragePool, RefusesImagesWithoutPixels) {
  beit::Workspace workspace;
  Matrix out(1, 3);
  for (const Size size : {Size{0, 0}, Size{0, 2}, Size{2, 0}}) {
    EXPECT_THROW(beit::adaptive_average_pool({Matrix(0, 3), size}, workspace, {out, {1, 1}}), beit::ArgumentError);
  }
}

}  // namespace beit_test::average_pool_test
