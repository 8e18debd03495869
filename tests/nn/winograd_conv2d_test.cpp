// Compares Winograd's convolution with loops in double precision, and its errors with those of products of windows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include <beit/nn/conv2d.hpp>
#include <beit/nn/winograd_conv2d.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::winograd_conv2d_test {

using beit::Conv2dArguments;
using beit::FloatFast;
using beit::Index;
using beit::Matrix;
using beit::Size;
using beit::kernels::Epilogue;
using reference::Doubles;

const RandomWeights weights(13);

Size output_size(Size x, const Conv2dArguments& c) {
  return {x.height + 2 * c.padding - 2, x.width + 2 * c.padding - 2};
}

/// Runs the convolution; `out` is read only by the residual epilogue.
template <typename Weight>
void convolve(beit::Isa isa, const Matrix& x, Size size, const Conv2dArguments& c, Epilogue epilogue,
              const float* scale, int threads, Matrix& out) {
  const beit::WinogradConv2d<Weight> tested(beit::kernels::kernels_of(isa), weights.root().scope("c"), c);
  beit::ThreadPool pool(threads);
  beit::Workspace workspace(pool);
  beit::FeatureMap map{out, output_size(size, c)};
  tested.forward({x, size}, {}, epilogue, scale, workspace, map);
}

double root_mean_square(const Doubles& x) { return std::sqrt(x.array().square().mean()); }

/// The error of the same convolution as one product of windows.
template <typename Weight>
double direct_error(beit::Isa isa, const Matrix& x, Size size, const Conv2dArguments& c, const Doubles& wanted) {
  const beit::Linear<Weight> product(beit::kernels::kernels_of(isa), weights.root().scope("c"), c.weight,
                                     {c.outputs, c.inputs, 3, 3}, weights.root().scope("c").get("bias", {c.outputs}));
  const Size after = output_size(size, c);
  Matrix windows(after.area(), c.inputs * 9), out(after.area(), c.outputs);
  for (Index i = 0; i < windows.rows(); ++i) {
    for (Index j = 0; j < windows.cols(); ++j) {
      const Index y = i / after.width + j % 9 / 3 - c.padding, column = i % after.width + j % 3 - c.padding;
      const bool inside = y >= 0 && y < size.height && column >= 0 && column < size.width;
      windows(i, j) = inside ? x(y * size.width + column, j / 9) : 0;
    }
  }
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  beit::Workspace::Frame frame(workspace);
  const beit::Activations in = product.input(frame, 1, windows.rows());
  beit::write_rows(windows, in, workspace.executor());
  product.forward(in, workspace, out);
  return root_mean_square(reference::doubles(out) - wanted);
}

class WinogradConv2d : public testing::TestWithParam<beit::Isa> {};

// Sizes are odd and even, smaller than a tile, of several bands and of several sections of channels; outputs are of
// one panel of weights and of several.
TEST_P(WinogradConv2d, IsTheDefinition) {
  std::mt19937 random(1);
  const auto below = [&](Index n) { return static_cast<Index>(random() % static_cast<std::uint32_t>(n)); };
  for (int i = 0; i < 24; ++i) {
    const Size size{1 + below(i % 3 == 0 ? 40 : 9), 1 + below(i % 4 == 0 ? 50 : 8)};
    const Conv2dArguments c{.outputs = 1 + below(i % 8 == 3 ? 500 : 70),
                            .inputs = 1 + below(i % 6 == 0 ? 300 : 40),
                            .kernel = 3,
                            .padding = size.height > 2 && size.width > 2 ? below(3) : 1,
                            .bias = i % 5 == 0 ? "" : "bias",
                            .small_images = i % 2 == 0};
    SCOPED_TRACE(testing::Message() << size.height << "x" << size.width << ", " << c.inputs << " to " << c.outputs
                                    << ", padding " << c.padding);
    const Matrix x = numbers(weights, "x", size.area(), c.inputs);
    const Doubles wanted = reference::convolution(reference::doubles(x), size, weights.root().scope("c"), c);
    const Matrix scale = numbers(weights, "scale", 1, c.outputs),
                 old = numbers(weights, "old", wanted.rows(), c.outputs);
    const auto differs = [&](double tolerance, auto weight) {
      using Weight = decltype(weight);
      for (const int threads : {1, 3}) {
        Matrix plain(wanted.rows(), c.outputs), relu(wanted.rows(), c.outputs), residual = old;
        convolve<Weight>(GetParam(), x, size, c, Epilogue::bias, nullptr, threads, plain);
        convolve<Weight>(GetParam(), x, size, c, Epilogue::bias_relu, nullptr, threads, relu);
        convolve<Weight>(GetParam(), x, size, c, Epilogue::bias_residual, scale.data(), threads, residual);
        EXPECT_LE(reference::difference(plain, wanted), tolerance);
        EXPECT_LE(reference::difference(relu, reference::relu(wanted)), tolerance);
        const Doubles added = (wanted.array().rowwise() * reference::doubles(scale).row(0).array()).matrix();
        EXPECT_LE(reference::difference(residual, reference::doubles(old) + added), tolerance);
      }
    };
    differs(2e-6, float{});
    differs(4e-5, FloatFast{});
    differs(1.2e-2, Eigen::bfloat16{});
  }
}

// In float no error is added to that of products; float-fast trades accuracy for speed; in bfloat16 what is rounded
// is larger than x and W are.
TEST_P(WinogradConv2d, RoundsLikeADirectProduct) {
  const Size size{19, 23};
  for (const Index inputs : {32, 128, 300}) {
    const Conv2dArguments c{.outputs = 50, .inputs = inputs, .kernel = 3, .padding = 1};
    const Matrix x = numbers(weights, "x", size.area(), inputs);
    const Doubles wanted = reference::convolution(reference::doubles(x), size, weights.root().scope("c"), c);
    Matrix exact(size.area(), 50), fast(size.area(), 50);
    convolve<float>(GetParam(), x, size, c, Epilogue::bias, nullptr, 2, exact);
    convolve<FloatFast>(GetParam(), x, size, c, Epilogue::bias, nullptr, 2, fast);
    const double direct = direct_error<float>(GetParam(), x, size, c, wanted);
    EXPECT_LE(root_mean_square(reference::doubles(exact) - wanted), direct) << inputs;
    const double direct_fast = direct_error<FloatFast>(GetParam(), x, size, c, wanted);
    EXPECT_LE(root_mean_square(reference::doubles(fast) - wanted), 10 * direct_fast) << inputs;
    Matrix coarse(size.area(), 50);
    convolve<Eigen::bfloat16>(GetParam(), x, size, c, Epilogue::bias, nullptr, 2, coarse);
    const double direct_coarse = direct_error<Eigen::bfloat16>(GetParam(), x, size, c, wanted);
    EXPECT_LE(root_mean_square(reference::doubles(coarse) - wanted), 2 * direct_coarse) << inputs;
  }
}

INSTANTIATE_TEST_SUITE_P(, WinogradConv2d, testing::ValuesIn(available_levels()), level_name);

TEST(WinogradConv2dBands, SameBitsForAnyNumberOfThreads) {
  const Size size{90, 70};  // which several threads cut into other bands than one
  const Matrix x = numbers(weights, "x", size.area(), 20);
  for (const bool small_images : {false, true}) {
    const Conv2dArguments c{.outputs = 60, .inputs = 20, .kernel = 3, .padding = 1, .small_images = small_images};
    Matrix alone(size.area(), 60), together(size.area(), 60);
    convolve<float>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 1, alone);
    convolve<float>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 9, together);
    EXPECT_EQ(alone.map(), together.map());
    convolve<FloatFast>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 1, alone);
    convolve<FloatFast>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 9, together);
    EXPECT_EQ(alone.map(), together.map());
    convolve<Eigen::bfloat16>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 1, alone);
    convolve<Eigen::bfloat16>(beit::default_kernels().isa, x, size, c, Epilogue::bias, nullptr, 9, together);
    EXPECT_EQ(alone.map(), together.map());
  }
}

}  // namespace beit_test::winograd_conv2d_test
