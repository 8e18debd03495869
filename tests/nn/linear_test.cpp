// Tests how the linear layer divides its work among threads; tests/kernels test the products themselves.
#include <gtest/gtest.h>

#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "../random_weights.hpp"

namespace beit_test::linear_test {

using beit::Index;
using beit::Matrix;

template <typename Weight>
class LinearOf : public testing::Test {};
using Weights = testing::Types<float, Eigen::bfloat16>;
TYPED_TEST_SUITE(LinearOf, Weights);

TYPED_TEST(LinearOf, EveryElementIsComputedOnce) {
  const Index rows = 150, segments = 3, outputs = 300, inputs = 70;
  const RandomWeights weights(1);
  const beit::Linear<TypeParam> linear(beit::default_kernels(), weights.root().scope("fc"), outputs, inputs);
  auto w = weights.get("fc.weight", std::vector<Index>{outputs, inputs});
  if (!std::is_same_v<TypeParam, float>) {
    for (Index i = 0; i < w.size(); ++i) w[i] = static_cast<float>(Eigen::bfloat16(w[i]));
  }
  const auto b = weights.get("fc.bias", std::vector<Index>{outputs});
  const auto scale = weights.get("gamma_1", std::vector<Index>{outputs});
  Matrix x(rows, inputs);
  std::copy_n(weights.get("x", std::vector<Index>{rows, inputs}).data(), x.size(), x.data());
  if (linear.kernel().layout->number_format == beit::kernels::NumberFormat::bfloat16) {
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(Eigen::bfloat16(x.data()[i]));
  }
  const Eigen::MatrixXd wanted =
      (x.map().cast<double>() *
       Eigen::Map<const beit::RowMajorMatrix>(w.data(), outputs, inputs).cast<double>().transpose())
          .rowwise() +
      Eigen::Map<const Eigen::RowVectorXf>(b.data(), outputs).cast<double>();
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    beit::Workspace::Frame frame(workspace);
    const beit::Activations operand = linear.input(frame, segments, rows / segments);
    beit::write_rows(x, operand, workspace.executor());
    Matrix out(rows, outputs);
    linear.forward(operand, workspace, out);
    EXPECT_LE((out.map().cast<double>() - wanted).cwiseAbs().maxCoeff(), 2e-6);
    const beit::Activations hidden = frame.activations(
        *beit::precision_kernels<float>(beit::default_kernels()).gemm.layout, segments, rows / segments, outputs);
    linear.forward_gelu(operand, workspace, hidden);
    for (Index i = 0; i < rows; ++i) hidden.read(i / (rows / segments), i % (rows / segments), 0, outputs, out.row(i));
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < outputs; ++j) {
        const double y = wanted(i, j);
        ASSERT_NEAR(out(i, j), 0.5 * y * (1 + std::erf(y / std::sqrt(2.0))), 3e-6);
      }
    }
    out.map().setConstant(1.0f);
    linear.forward_residual(operand, scale.data(), workspace, out);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < outputs; ++j) ASSERT_NEAR(out(i, j), 1 + scale[j] * wanted(i, j), 3e-6);
    }
    // Writes to the last rows of larger segments.
    const Index apart = rows / segments + 2;
    Matrix spread(segments * apart, outputs);
    spread.map().setConstant(1.0f);
    linear.forward_residual(operand, scale.data(), workspace, spread, apart);
    for (Index i = 0; i < segments * apart; ++i) {
      for (Index j = 0; j < outputs; ++j) {
        ASSERT_EQ(spread(i, j), i % apart < 2 ? 1.0f : out(i / apart * (apart - 2) + i % apart - 2, j));
      }
    }
  }
}

}  // namespace beit_test::linear_test
