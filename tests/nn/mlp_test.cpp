#include <beit/nn/mlp.hpp>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::mlp_test {

using beit::Index;
using beit::Matrix;

constexpr Index batch = 2, tokens = 19, rows = batch * tokens, dim = 35, hidden = 70;

/// Parameters: BEiT-3's norm of hidden features or none; layer scale or none.
class Mlp : public testing::TestWithParam<std::tuple<bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(, Mlp, testing::Combine(testing::Bool(), testing::Bool()));

TEST_P(Mlp, AddsToTheResidual) {
  const auto [normed, scaled] = GetParam();
  const RandomWeights source(1);
  const beit::WeightScope weights = source.root().scope("mlp");
  beit::Mlp<float> mlp(beit::default_kernels(), weights, dim, hidden);
  if (normed) mlp.norm_hidden(beit::default_kernels(), weights.scope("norm"), 1e-5f);
  const Matrix x = numbers(source, "x", rows, dim), before = numbers(source, "y", rows, dim);
  const auto gamma = source.get("gamma_2", std::vector<Index>{dim});

  reference::Doubles y = reference::gelu(reference::linear(reference::doubles(x), weights.scope("fc1"), hidden));
  if (normed) y = reference::layer_norm(y, weights.scope("norm"), 1e-5f);
  y = reference::linear(y, weights.scope("fc2"), dim);
  if (scaled) y *= Eigen::Map<const Eigen::VectorXf>(gamma.data(), dim).cast<double>().asDiagonal();
  y += reference::doubles(before);

  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    beit::Workspace::Frame frame(workspace);
    const beit::Activations operand = mlp.input(frame, batch, tokens);
    beit::write_rows(x, operand, workspace.executor());
    Matrix out(before);
    mlp.forward_residual(operand, scaled ? gamma.data() : nullptr, workspace, out);
    EXPECT_LE(reference::difference(out, y), 3e-6) << threads;
  }
}

}  // namespace beit_test::mlp_test
