#include <beit/nn/max_pool.hpp>

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::max_pool_test {

using beit::Index;
using beit::Matrix;

TEST(MaxPool, IsTheLargestOfEachWindow) {
  const Index channels = 5;
  for (const beit::Size size : {beit::Size{6, 10}, beit::Size{7, 5}}) {  // whose last line and column are left out
    const beit::Size half{size.height / 2, size.width / 2};
    // Uses some columns of wider matrices.
    Matrix x = numbers(RandomWeights(1), "x", size.area(), channels + 3);
    x.map().array() -= 10.0f;  // makes all numbers negative
    for (const int threads : {1, 3}) {
      beit::ThreadPool pool(threads);
      beit::Workspace workspace(pool);
      Matrix out(half.area(), channels + 2);
      out.map().setConstant(7.0f);
      beit::max_pool({x.map().leftCols(channels), size}, workspace, {out.map().leftCols(channels), half});
      for (Index y = 0; y < half.height; ++y) {
        for (Index column = 0; column < half.width; ++column) {
          const Index pixel = y * half.width + column;
          for (Index c = 0; c < channels; ++c) {
            float largest = std::numeric_limits<float>::lowest();
            for (Index i = 0; i < 4; ++i) {
              largest = std::max(largest, x((2 * y + i / 2) * size.width + 2 * column + i % 2, c));
            }
            ASSERT_EQ(out(pixel, c), largest) << y << ' ' << column << ' ' << c;
          }
          ASSERT_EQ(out(pixel, channels), 7.0f);
        }
      }
    }
  }
}

TEST(MaxPool, KeepsNan) {
  beit::Workspace workspace;
  for (Index bad = 0; bad < 4; ++bad) {
    Matrix x(Eigen::MatrixXf::Ones(4, 19)), out(1, 19);
    x.map().row(bad).setConstant(std::numeric_limits<float>::quiet_NaN());
    beit::max_pool({x, {2, 2}}, workspace, {out, {1, 1}});
    EXPECT_TRUE(out.map().array().isNaN().all()) << bad;
  }
}

TEST(MaxPool, RefusesImagesSmallerThanAWindow) {
  beit::Workspace workspace;
  Matrix out(0, 3);
  for (const beit::Size size : {beit::Size{1, 7}, beit::Size{7, 1}, beit::Size{0, 0}}) {
    EXPECT_THROW(beit::max_pool({Matrix(size.area(), 3), size}, workspace, {out, {0, 0}}), beit::ArgumentError);
  }
}

}  // namespace beit_test::max_pool_test
