// Compares convolutions with loops in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <beit/nn/conv2d.hpp>
#include <vector>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::conv2d_test {

using beit::Index;
using beit::Matrix;
using beit::Size;

const RandomWeights weights(7);

struct Case {
  Size size;
  Index inputs, outputs, kernel;
  bool relu = false;
  Index upsampling = 1;
};

/// Computes y (H*W, outputs) by the definition.
reference::Doubles convolution(const Matrix& x, const Case& c) {
  const reference::Doubles in = reference::upsampled(reference::doubles(x), c.size, c.upsampling);
  return reference::convolution(c.relu ? reference::relu(in) : in, c.size, weights.root().scope("c"), c.outputs,
                                c.kernel);
}

template <typename Weight>
void agrees(double tolerance) {
  for (const Case& c :
       {Case{{5, 7}, 3, 8, 7}, Case{{1, 1}, 4, 5, 3}, Case{{6, 4}, 5, 3, 1, true}, Case{{40, 30}, 16, 33, 3, true},
        Case{{4, 6}, 7, 10, 3, true, 2}, Case{{8, 2}, 9, 4, 1, false, 2},
        Case{{2, 400}, 300, 2, 3}}) {  // a row has more pixels than a band should
    const beit::Conv2d<Weight> convolve(beit::default_kernels(), weights.root().scope("c"), c.outputs, c.inputs,
                                        c.kernel);
    const Matrix x = numbers(weights, "x", c.size.area() / c.upsampling / c.upsampling, c.inputs);
    const Matrix scale = numbers(weights, "scale", 1, c.outputs),
                 before = numbers(weights, "before", c.size.area(), c.outputs);
    const reference::Doubles wanted = convolution(x, c);
    for (const int threads : {1, 3}) {
      beit::ThreadPool pool(threads);
      beit::Workspace workspace(pool);
      Matrix plain(c.size.area(), c.outputs), residual = before;
      const typename beit::Conv2d<Weight>::Input input{.relu = c.relu, .upsampling = c.upsampling};
      convolve.forward(x, c.size, input, workspace, plain);
      convolve.forward_residual(x, c.size, input, scale.data(), workspace, residual);
      for (Index i = 0; i < plain.size(); ++i) {
        const double y = wanted.data()[i];
        ASSERT_NEAR(plain.data()[i], y, tolerance) << c.kernel << "x" << c.kernel << ", element " << i;
        ASSERT_NEAR(residual.data()[i], before.data()[i] + scale.data()[i % c.outputs] * y, tolerance);
      }
    }
  }
}

TEST(Conv2d, IsTheDefinition) { agrees<float>(2e-6); }
// The tolerances are for sums of products of about 0.2 and 1 / sqrt(inputs), each rounded to 8 bits, or to 127 steps of
// the largest.
TEST(Conv2d, IsTheDefinitionInBfloat16) { agrees<Eigen::bfloat16>(6e-3); }
TEST(Conv2d, IsTheDefinitionInInt8) { agrees<std::int8_t>(2e-2); }

TEST(Conv2d, SameBitsForAnyNumberOfThreads) {
  const Size size{33, 21};
  const beit::Conv2d<float> convolve(beit::default_kernels(), weights.root().scope("c"), 40, 24, 3);
  const Matrix x = numbers(weights, "x", size.area(), 24);
  Matrix alone(size.area(), 40), together(size.area(), 40);
  beit::ThreadPool one(1), many(5);
  beit::Workspace workspace(one), shared(many);
  convolve.forward(x, size, {.relu = true}, workspace, alone);
  convolve.forward(x, size, {.relu = true}, shared, together);
  EXPECT_EQ(alone.map(), together.map());
}

TEST(Conv2d, RefusesAnotherShape) {
  class Short final : public beit::WeightSource {
   public:
    bool has(const std::string&) const override { return true; }
    std::vector<Index> shape(const std::string&) const override { return {}; }
    void read(const std::string& name, std::span<const Index> shape, Index, Index, float*) const override {
      throw beit::WeightError(name + " " + std::to_string(shape.size()));
    }
  };
  const Short source;
  EXPECT_THROW(beit::Conv2d<float>(beit::default_kernels(), source.root(), 2, 3, 3), beit::WeightError);
}

}  // namespace beit_test::conv2d_test
