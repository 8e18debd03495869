// Compares the convolution of maps of several sizes with the convolution of the enlarged maps in double precision.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <beit/nn/linear.hpp>
#include <beit/nn/pyramid_conv2d.hpp>
#include <beit/nn/resize_bilinear.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::pyramid_conv2d_test {

using beit::Index;
using beit::Matrix;
using beit::Size;
using reference::Doubles;

const RandomWeights weights(11);

struct Map {
  Size size;
  Index channels;
};

struct Case {
  Index outputs;
  std::vector<Map> maps;
};

// Factors are whole and not, equal and below 1; outputs are of one block and of several.
const Case cases[] = {
    {20, {{{8, 16}, 20}, {{4, 8}, 20}, {{2, 4}, 20}, {{1, 2}, 20}}},                 // as in UPerNet
    {70, {{{10, 10}, 30}, {{1, 1}, 20}, {{2, 2}, 20}, {{3, 3}, 20}, {{6, 6}, 20}}},  // as in pyramid pooling
    {150, {{{5, 7}, 8}, {{3, 3}, 17}}},
    {5, {{{1, 1}, 3}, {{2, 3}, 4}}},
    {9, {{{4, 1}, 16}, {{2, 1}, 5}, {{9, 8}, 6}}},
    {64, {{{6, 5}, 33}, {{6, 5}, 12}}},
    {18, {{{7, 9}, 19}}},
};

Matrix pixels(const Case& c, std::size_t i) {
  std::string name = "x";
  name += std::to_string(i);  // g++ 12 warns of "x" + std::to_string(i)
  return numbers(weights, name.c_str(), c.maps[i].size.area(), c.maps[i].channels);
}

Doubles convolution(const Case& c) {
  const Size size = c.maps[0].size;
  Index inputs = 0;
  for (const Map& map : c.maps) inputs += map.channels;
  Doubles joined(size.area(), inputs);
  Index channel = 0;
  for (std::size_t i = 0; i < c.maps.size(); ++i) {
    joined.middleCols(channel, c.maps[i].channels) =
        reference::bilinear(reference::doubles(pixels(c, i)), c.maps[i].size, size);
    channel += c.maps[i].channels;
  }
  return reference::convolution(joined, size, weights.root().scope("c"),
                                {.outputs = c.outputs, .inputs = inputs, .kernel = 3, .padding = 1, .relu = true});
}

template <typename Weight>
Matrix convolve(beit::Isa isa, const Case& c, int threads) {
  std::vector<Index> channels;
  std::vector<Matrix> x;
  for (std::size_t i = 0; i < c.maps.size(); ++i) {
    channels.push_back(c.maps[i].channels);
    x.push_back(pixels(c, i));
  }
  const beit::PyramidConv2d<Weight> tested(beit::kernels::kernels_of(isa), weights.root().scope("c"), c.outputs,
                                           channels);
  beit::ThreadPool pool(threads);
  beit::Workspace workspace(pool);
  std::vector<beit::ConstFeatureMap> maps;
  for (std::size_t i = 0; i < x.size(); ++i) maps.emplace_back(x[i], c.maps[i].size);
  Matrix out(c.maps[0].size.area(), c.outputs);
  tested.forward(maps, workspace, {out, c.maps[0].size});
  return out;
}

template <typename Weight>
void agrees(beit::Isa isa, double tolerance) {
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.outputs << " outputs, " << c.maps.size() << " maps");
    const Doubles wanted = convolution(c);
    const Matrix alone = convolve<Weight>(isa, c, 1);
    EXPECT_LE(reference::difference(alone, wanted), tolerance);
    EXPECT_EQ(alone.map(), convolve<Weight>(isa, c, 5).map());
  }
}

class PyramidConv2d : public testing::TestWithParam<beit::Isa> {};

TEST_P(PyramidConv2d, IsTheConvolutionOfEnlargedMaps) { agrees<float>(GetParam(), 2e-6); }
// The tolerances are those of Conv2d, and in bfloat16 and float-fast of WinogradConv2d, which computes the first map.
TEST_P(PyramidConv2d, IsTheConvolutionOfEnlargedMapsInFloatFast) { agrees<beit::FloatFast>(GetParam(), 4e-5); }
TEST_P(PyramidConv2d, IsTheConvolutionOfEnlargedMapsInBfloat16) { agrees<Eigen::bfloat16>(GetParam(), 1.2e-2); }
TEST_P(PyramidConv2d, IsTheConvolutionOfEnlargedMapsInInt8) { agrees<std::int8_t>(GetParam(), 2e-2); }

double root_mean_square(const Doubles& x) { return std::sqrt(x.array().square().mean()); }

/// The error of one product with the windows of the maps that were enlarged first.
template <typename Weight>
double direct_error(beit::Isa isa, const Case& c, const Doubles& wanted) {
  const Size size = c.maps[0].size;
  Index inputs = 0;
  for (const Map& map : c.maps) inputs += map.channels;
  beit::Workspace workspace;
  Matrix joined(size.area(), inputs), windows(size.area(), inputs * 9), out(size.area(), c.outputs);
  Index channel = 0;
  for (std::size_t i = 0; i < c.maps.size(); ++i) {
    const beit::FeatureMap part = beit::FeatureMap{joined, size}.slice(channel, c.maps[i].channels);
    beit::resize_bilinear({pixels(c, i), c.maps[i].size}, workspace, part);
    channel += c.maps[i].channels;
  }
  for (Index i = 0; i < windows.rows(); ++i) {
    for (Index j = 0; j < windows.cols(); ++j) {
      const Index y = i / size.width + j % 9 / 3 - 1, column = i % size.width + j % 3 - 1;
      const bool inside = y >= 0 && y < size.height && column >= 0 && column < size.width;
      windows(i, j) = inside ? joined(y * size.width + column, j / 9) : 0;
    }
  }
  const beit::WeightScope scope = weights.root().scope("c");
  const beit::Linear<Weight> product(beit::kernels::kernels_of(isa), scope, "weight", {c.outputs, inputs, 3, 3},
                                     scope.get("bias", {c.outputs}));
  beit::Workspace::Frame frame(workspace);
  const beit::Activations in = product.input(frame, 1, windows.rows());
  beit::write_rows(windows, in, workspace.executor());
  product.forward(in, workspace, out, beit::kernels::Epilogue::bias_relu);
  return root_mean_square(reference::doubles(out) - wanted);
}

template <typename Weight>
void rounds_at_most(double times, beit::Isa isa) {
  const Case c{20, {{{8, 12}, 64}, {{4, 6}, 64}, {{2, 3}, 64}, {{1, 1}, 64}}};
  const Doubles wanted = convolution(c);
  const double error = root_mean_square(reference::doubles(convolve<Weight>(isa, c, 2)) - wanted);
  EXPECT_LE(error, times * direct_error<Weight>(isa, c, wanted))
      << beit::precision_name(beit::WeightTraits<Weight>::precision);
}

// Only the first map's part, which WinogradConv2d computes, may round more.
TEST_P(PyramidConv2d, RoundsLikeADirectProduct) {
  rounds_at_most<float>(1, GetParam());
  rounds_at_most<beit::FloatFast>(10, GetParam());
  rounds_at_most<Eigen::bfloat16>(2, GetParam());
  rounds_at_most<std::int8_t>(1, GetParam());
}

INSTANTIATE_TEST_SUITE_P(, PyramidConv2d, testing::ValuesIn(available_levels()), level_name);

TEST(PyramidConv2dLines, MayBeWrittenOverLinesThatItHasRead) {
  const Size size{90, 40};
  const std::vector<Index> channels{64, 8};
  const beit::PyramidConv2d<float> tested(beit::default_kernels(), weights.root().scope("c"), 64, channels);
  const Matrix x = numbers(weights, "x", size.area(), 64), small = numbers(weights, "small", 6, 8);
  const beit::ConstFeatureMap other{small, {2, 3}};
  beit::Workspace workspace;
  Matrix apart(size.area(), 64), shared(size.area() + size.width, 64);
  tested.forward(std::array<beit::ConstFeatureMap, 2>{{{x, size}, other}}, workspace, {apart, size});
  shared.map().bottomRows(size.area()) = x.map();
  tested.forward(std::array<beit::ConstFeatureMap, 2>{{{shared.map().bottomRows(size.area()), size}, other}}, workspace,
                 {shared.map().topRows(size.area()), size});
  EXPECT_EQ(shared.map().topRows(size.area()), apart.map());
}

}  // namespace beit_test::pyramid_conv2d_test
