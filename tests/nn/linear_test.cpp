// The linear layer shares its work between threads in blocks; the products themselves are tested in kernels/.
#include <gtest/gtest.h>

#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "../random_weights.hpp"

namespace {

using beit::Index;
using beit::Matrix;

template <typename Weight>
class LinearOf : public testing::Test {};
using Weights = testing::Types<float, Eigen::bfloat16>;
TYPED_TEST_SUITE(LinearOf, Weights);

TYPED_TEST(LinearOf, EveryElementIsComputedOnce) {
  const Index rows = 150, outputs = 300, inputs = 70;
  const testing_weights::RandomWeights weights(1);
  const beit::Linear<TypeParam> linear(weights.root().scope("fc"), outputs, inputs);
  auto w = weights.get("fc.weight", std::vector<Index>{outputs, inputs});
  if (!std::is_same_v<TypeParam, float>) {
    for (Index i = 0; i < w.size(); ++i) w[i] = static_cast<float>(Eigen::bfloat16(w[i]));
  }
  const auto b = weights.get("fc.bias", std::vector<Index>{outputs});
  const auto scale = weights.get("gamma_1", std::vector<Index>{outputs});
  Matrix x(rows, inputs);
  std::copy_n(weights.get("x", std::vector<Index>{rows, inputs}).data(), x.size(), x.data());
  if (linear.kernel().form == beit::kernels::Form::bfloat16) {
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
    const beit::Executor& executor = workspace.executor();
    const beit::Operand operand = beit::encode(x, linear.kernel(), workspace, beit::Workspace::encoded);
    Matrix out(rows, outputs);
    linear.forward(operand, executor, out);
    EXPECT_LE((out.map().cast<double>() - wanted).cwiseAbs().maxCoeff(), 2e-6);
    linear.forward_gelu(operand, executor, {out.data(), outputs, nullptr, rows, outputs});
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < outputs; ++j) {
        const double y = wanted(i, j);
        ASSERT_NEAR(out(i, j), 0.5 * y * (1 + std::erf(y / std::sqrt(2.0))), 3e-6);
      }
    }
    out.map().setConstant(1.0f);
    linear.forward_residual(operand, scale.data(), executor, out);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < outputs; ++j) ASSERT_NEAR(out(i, j), 1 + scale[j] * wanted(i, j), 3e-6);
    }
  }
}

}  // namespace
