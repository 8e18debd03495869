#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include <beit/nn/resize_bilinear.hpp>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::resize_bilinear_test {

using beit::Index;
using beit::Matrix;
using beit::Size;

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
    const reference::Doubles wanted = reference::bilinear(reference::doubles(x), size, to);
    for (int times = 1; times <= 2; ++times) {
      for (Index row = 0; row < to.height; ++row) {
        for (Index column = 0; column < to.width; ++column) {
          for (Index c = 0; c < channels; ++c) {
            const Index pixel = row * to.width + column;
            ASSERT_NEAR(out(pixel, c), times * wanted(pixel, c), 1e-6) << row << ' ' << column;
          }
          ASSERT_EQ(out(row * to.width + column, channels), 7.0f);
        }
      }
      beit::resize_bilinear_add(in, workspace, map);
    }
  }
}

// torch.nn.functional.interpolate, 2.15: along a side that isn't resized it reads no neighbour; along another it reads
// both, even where the weight of one is 0, which makes NaN of an infinity.
TEST(ResizeBilinear, ReadsNoNeighbourAlongASideThatIsNotResized) {
  const float inf = std::numeric_limits<float>::infinity();
  Matrix x(9, 2);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i / 2 + 1);
  x(4, 0) = inf;
  beit::Workspace workspace;
  const auto resized = [&](Size to) {
    Matrix out(to.area(), 2);
    beit::resize_bilinear({x, {3, 3}}, workspace, {out, to});
    std::vector<float> channel(static_cast<std::size_t>(out.rows()));
    for (Index i = 0; i < out.rows(); ++i) channel[static_cast<std::size_t>(i)] = out(i, 0);
    return channel;
  };
  EXPECT_EQ(resized({3, 3}), (std::vector<float>{1, 2, 3, 4, inf, 6, 7, 8, 9}));
  const std::vector<float> wider = resized({3, 6}), higher = resized({6, 3}),
                           wanted_column{3, 3.75f, 5.25f, 6.75f, 8.25f, 9};
  EXPECT_EQ(std::vector<float>(wider.begin(), wider.begin() + 6),
            (std::vector<float>{1, 1.25f, 1.75f, 2.25f, 2.75f, 3}));
  EXPECT_EQ(std::vector<float>(wider.begin() + 12, wider.end()),
            (std::vector<float>{7, 7.25f, 7.75f, 8.25f, 8.75f, 9}));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(higher[3 * i + 2], wanted_column[i]);
    EXPECT_EQ(std::isfinite(higher[3 * i + 1]), i == 5) << i;
    EXPECT_EQ(std::isfinite(wider[6 + i]), i == 5) << i;
  }
}

TEST(ResizeBilinear, RefusesImagesWithoutPixels) {
  beit::Workspace workspace;
  Matrix out(1, 2);
  for (const Size size : {Size{0, 0}, Size{0, 2}, Size{2, 0}}) {
    EXPECT_THROW(beit::resize_bilinear({Matrix(0, 2), size}, workspace, {out, {1, 1}}), beit::ArgumentError);
  }
}

}  // namespace beit_test::resize_bilinear_test
