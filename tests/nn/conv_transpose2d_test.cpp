// Compares transposed convolutions with a loop in double precision.
#include <gtest/gtest.h>

#include <beit/nn/conv_transpose2d.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::conv_transpose2d_test {

using beit::Index;
using beit::Matrix;
using beit::Size;
using reference::Doubles;

const RandomWeights weights(11);

/// torch.nn.ConvTranspose2d(kernel_size=kernel, stride=kernel): x (H*W, inputs) -> (H*kernel * W*kernel, outputs).
Doubles transposed(const Matrix& x, Size size, Index outputs, Index kernel) {
  const Index inputs = x.cols();
  const auto w = weights.get("c.weight", std::vector<Index>{inputs, outputs, kernel, kernel});
  const auto b = weights.get("c.bias", std::vector<Index>{outputs});
  Doubles y(size.area() * kernel * kernel, outputs);
  for (Index row = 0; row < size.height * kernel; ++row) {
    for (Index column = 0; column < size.width * kernel; ++column) {
      for (Index out = 0; out < outputs; ++out) {
        double sum = b[out];
        for (Index i = 0; i < inputs; ++i) {
          sum += static_cast<double>(x(row / kernel * size.width + column / kernel, i)) *
                 static_cast<double>(w[((i * outputs + out) * kernel + row % kernel) * kernel + column % kernel]);
        }
        y(row * size.width * kernel + column, out) = sum;
      }
    }
  }
  return y;
}

class ConvTranspose2d : public testing::TestWithParam<beit::Isa> {};

template <typename Weight>
void agrees(beit::Isa isa, double tolerance) {
  struct Case {
    Size size;
    Index outputs, inputs, kernel;
  };
  for (const Case& c : {Case{{5, 7}, 6, 9, 2}, Case{{1, 1}, 3, 4, 3}, Case{{31, 29}, 20, 17, 2}, Case{{4, 2}, 5, 3, 1},
                        Case{{2, 500}, 3, 2, 2}}) {
    const beit::ConvTranspose2d<Weight> tested(beit::kernels::kernels_of(isa), weights.root().scope("c"), c.outputs,
                                               c.inputs, c.kernel);
    const Size after = tested.output_size(c.size);
    EXPECT_EQ(after, (Size{c.size.height * c.kernel, c.size.width * c.kernel}));
    const Matrix x = numbers(weights, "x", c.size.area(), c.inputs);
    const Doubles plain = transposed(x, c.size, c.outputs, c.kernel);
    for (const int threads : {1, 3}) {
      beit::ThreadPool pool(threads);
      beit::Workspace workspace(pool);
      for (const bool gelu : {false, true}) {
        Matrix wide(after.area(), c.outputs + 3);
        wide.map().setConstant(5.0f);
        const beit::FeatureMap out = beit::FeatureMap{wide.map(), after}.slice(2, c.outputs);
        if (gelu) {
          tested.forward_gelu({x, c.size}, workspace, out);
        } else {
          tested.forward({x, c.size}, workspace, out);
        }
        const Doubles wanted = gelu ? reference::gelu(plain) : plain;
        EXPECT_LE((out.pixels.cast<double>() - wanted).cwiseAbs().maxCoeff(), tolerance);
        EXPECT_EQ(wide.map().col(1).minCoeff(), 5.0f);
        EXPECT_EQ(wide.map().rightCols(1).minCoeff(), 5.0f);
      }
    }
  }
}

TEST_P(ConvTranspose2d, IsTheDefinition) { agrees<float>(GetParam(), 2e-6); }
TEST_P(ConvTranspose2d, IsTheDefinitionInFloatFast) { agrees<beit::FloatFast>(GetParam(), 4e-5); }
TEST_P(ConvTranspose2d, IsTheDefinitionInBfloat16) { agrees<Eigen::bfloat16>(GetParam(), 6e-3); }
TEST_P(ConvTranspose2d, IsTheDefinitionInInt8) { agrees<std::int8_t>(GetParam(), 2e-2); }

INSTANTIATE_TEST_SUITE_P(, ConvTranspose2d, testing::ValuesIn(available_levels()), level_name);

TEST(ConvTranspose2dShapes, RefusesImagesWithoutPixels) {
  const beit::ConvTranspose2d<float> tested(beit::default_kernels(), weights.root().scope("c"), 2, 3, 2);
  beit::Workspace workspace;
  Matrix out(0, 2);
  for (const Size size : {Size{0, 0}, Size{3, 0}, Size{0, 3}}) {
    EXPECT_THROW(tested.forward({Matrix(0, 3), size}, workspace, {out, {0, 0}}), beit::ArgumentError);
  }
}

}  // namespace beit_test::conv_transpose2d_test
