// Compares convolutions with loops in double precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <beit/nn/conv2d.hpp>
#include <span>
#include <string>
#include <vector>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::conv2d_test {

using beit::Conv2dArguments;
using beit::Index;
using beit::Matrix;
using beit::Size;

const RandomWeights weights(7);

struct Case {
  Size size;  // of x, after its upsampling
  Conv2dArguments arguments;
  bool relu = false;  // before
  Index upsampling = 1;
};

const Case cases[] = {
    {{5, 7}, {.outputs = 8, .inputs = 3, .kernel = 7, .padding = 3}},
    {{1, 1}, {.outputs = 5, .inputs = 4, .kernel = 3, .padding = 1}},
    {{6, 4}, {.outputs = 3, .inputs = 5, .kernel = 1}, true},
    {{40, 30}, {.outputs = 33, .inputs = 16, .kernel = 3, .padding = 1}, true},
    {{4, 6}, {.outputs = 10, .inputs = 7, .kernel = 3, .padding = 1}, true, 2},
    {{8, 2}, {.outputs = 4, .inputs = 9, .kernel = 1}, false, 2},
    {{2, 400}, {.outputs = 2, .inputs = 300, .kernel = 3, .padding = 1}},  // a line has more pixels than a band should
    {{9, 11}, {.outputs = 6, .inputs = 5, .kernel = 3, .relu = true}},
    {{9, 12}, {.outputs = 6, .inputs = 5, .kernel = 3, .stride = 2, .padding = 1, .bias = ""}},
    {{7, 10}, {.outputs = 7, .inputs = 6, .kernel = 2, .stride = 3, .padding = 2, .relu = true}},
    {{6, 7}, {.outputs = 4, .inputs = 3, .kernel = 1, .stride = 2, .relu = true}},
    {{5, 4}, {.outputs = 4, .inputs = 3, .kernel = 1, .padding = 1}},
    {{16, 16}, {.outputs = 9, .inputs = 3, .kernel = 4, .stride = 4}},
};

/// Computes y (H'*W', outputs) by the definition.
reference::Doubles convolution(const Matrix& x, const Case& c) {
  const reference::Doubles in = reference::upsampled(reference::doubles(x), c.size, c.upsampling);
  return reference::convolution(c.relu ? reference::relu(in) : in, c.size, weights.root().scope("c"), c.arguments);
}

/// The columns in the middle of a matrix, as a feature map in a wider one.
beit::FeatureMap middle(Matrix& wide, Index channels, Size size) {
  return beit::FeatureMap{wide.map(), size}.slice((wide.cols() - channels) / 2, channels);
}

template <typename Weight>
void agrees(beit::Isa isa, double tolerance) {
  for (const Case& c : cases) {
    const beit::Conv2d<Weight> convolve(beit::kernels::kernels_of(isa), weights.root().scope("c"), c.arguments);
    const Size before{c.size.height / c.upsampling, c.size.width / c.upsampling}, after = convolve.output_size(c.size);
    const Matrix x = numbers(weights, "x", before.area(), c.arguments.inputs);
    Matrix wide_x(x.rows(), x.cols() + 2);
    wide_x.map().setConstant(1e6f);
    middle(wide_x, x.cols(), before).pixels = x.map();
    const Index outputs = c.arguments.outputs;
    const Matrix scale = numbers(weights, "scale", 1, outputs), old = numbers(weights, "old", after.area(), outputs);
    const reference::Doubles wanted = convolution(x, c);
    for (const int threads : {1, 3}) {
      beit::ThreadPool pool(threads);
      beit::Workspace workspace(pool);
      Matrix wide(after.area(), outputs + 4);
      wide.map().setConstant(5.0f);
      const typename beit::Conv2d<Weight>::Input input{.relu = c.relu, .upsampling = c.upsampling};
      beit::FeatureMap plain = middle(wide, outputs, after);
      convolve.forward(middle(wide_x, x.cols(), before), input, workspace, plain);
      ASSERT_EQ(wanted.rows(), after.area());
      for (Index i = 0; i < wanted.rows(); ++i) {
        for (Index j = 0; j < outputs; ++j) {
          ASSERT_NEAR(plain.pixels(i, j), wanted(i, j), tolerance)
              << "kernel " << c.arguments.kernel << ", stride " << c.arguments.stride << ", " << i << ' ' << j;
        }
        ASSERT_EQ(wide(i, 1), 5.0f);
        ASSERT_EQ(wide(i, outputs + 2), 5.0f);
      }
      if (c.arguments.relu) continue;
      Matrix residual = old;
      convolve.forward_residual({x, before}, input, scale.data(), workspace, {residual, after});
      for (Index i = 0; i < residual.size(); ++i) {
        const float s = scale.data()[i % outputs];
        ASSERT_NEAR(residual.data()[i], old.data()[i] + s * wanted.data()[i], tolerance);
      }
    }
  }
}

class Conv2d : public testing::TestWithParam<beit::Isa> {};

TEST_P(Conv2d, IsTheDefinition) { agrees<float>(GetParam(), 2e-6); }
// The tolerances are for sums of products of about 0.2 and 1 / sqrt(inputs), each rounded to 8 bits, or to 127 steps of
// the largest; AMX multiplies two parts for float-fast.
TEST_P(Conv2d, IsTheDefinitionInFloatFast) { agrees<beit::FloatFast>(GetParam(), 4e-5); }
TEST_P(Conv2d, IsTheDefinitionInBfloat16) { agrees<Eigen::bfloat16>(GetParam(), 6e-3); }
TEST_P(Conv2d, IsTheDefinitionInInt8) { agrees<std::int8_t>(GetParam(), 2e-2); }

INSTANTIATE_TEST_SUITE_P(, Conv2d, testing::ValuesIn(available_levels()), level_name);

TEST(Conv2dBands, SameBitsForAnyNumberOfThreads) {
  const Size size{33, 21};
  const beit::Conv2d<float> convolve(beit::default_kernels(), weights.root().scope("c"),
                                     {.outputs = 40, .inputs = 24, .kernel = 3, .padding = 1});
  const Matrix x = numbers(weights, "x", size.area(), 24);
  Matrix alone(size.area(), 40), together(size.area(), 40);
  beit::ThreadPool one(1), many(5);
  beit::Workspace workspace(one), shared(many);
  convolve.forward({x, size}, {.relu = true}, workspace, {alone, size});
  convolve.forward({x, size}, {.relu = true}, shared, {together, size});
  EXPECT_EQ(alone.map(), together.map());
}

TEST(Conv2dBands, MayBeWrittenOverLinesThatItHasRead) {
  const Size size{90, 40};  // several bands
  const beit::Conv2d<float> convolve(beit::default_kernels(), weights.root().scope("c"),
                                     {.outputs = 64, .inputs = 64, .kernel = 3, .padding = 1, .relu = true});
  const Matrix x = numbers(weights, "x", size.area(), 64);
  Matrix apart(size.area(), 64), shared(size.area() + size.width, 64);
  for (const int threads : {1, 5}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    convolve.forward({x, size}, workspace, {apart, size});
    shared.map().bottomRows(size.area()) = x.map();
    convolve.forward({shared.map().bottomRows(size.area()), size}, workspace,
                     {shared.map().topRows(size.area()), size});
    EXPECT_EQ(shared.map().topRows(size.area()), apart.map());
  }
}

TEST(Conv2dShapes, RefusesAnotherShape) {
  class Short final : public beit::WeightSource {
   public:
    bool has(const std::string&) const override { return true; }
    std::vector<Index> shape(const std::string&) const override { return {}; }
    void read(const std::string& name, std::span<const Index> shape, Index, Index, float*) const override {
      throw beit::WeightError(name + " " + std::to_string(shape.size()));
    }
  };
  const Short source;
  EXPECT_THROW(beit::Conv2d<float>(beit::default_kernels(), source.root(), {.outputs = 2, .inputs = 3, .kernel = 3}),
               beit::WeightError);
}

TEST(Conv2dShapes, RefusesImagesSmallerThanTheKernel) {
  beit::Workspace workspace;
  for (const Index channels : {Index{4}, Index{32}}) {  // by windows, and by Winograd's tiles
    const beit::Conv2d<float> convolve(beit::default_kernels(), weights.root().scope("c"),
                                       {.outputs = channels, .inputs = channels, .kernel = 3});
    for (const Size size : {Size{2, 2}, Size{1, 1}, Size{2, 9}, Size{9, 2}, Size{0, 0}}) {
      const Matrix x = numbers(weights, "x", size.area(), channels);
      Matrix out(1, channels);
      EXPECT_THROW(convolve.output_size(size), beit::ArgumentError);
      EXPECT_THAT(
          [&] {
            convolve.forward({x, size}, workspace, {out, {1, 1}});
          },
          testing::ThrowsMessage<beit::ArgumentError>("Conv2d: with padding: found " + std::to_string(size.height) +
                                                      " x " + std::to_string(size.width) +
                                                      " pixels, wanted at least 3 x 3"));
      EXPECT_THROW(convolve.forward_residual({x, size}, {}, x.data(), workspace, {out, {1, 1}}), beit::ArgumentError);
    }
    EXPECT_EQ(convolve.output_size({3, 3}), (Size{1, 1}));
  }
}

}  // namespace beit_test::conv2d_test
