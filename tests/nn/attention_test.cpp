#include <beit/nn/attention.hpp>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::attention_test {

using beit::Index;
using beit::Matrix;
using beit::QkvBias;
using reference::Doubles;

constexpr beit::Size grid{3, 4};
constexpr Index batch = 2, tokens = 13, heads = 3, dim = 24, positions = 5 * 7 + 3;

/// Parameters: which biases; relative positions or none; BEiT-3's norm and layer scale or none.
class Attention : public testing::TestWithParam<std::tuple<QkvBias, bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(, Attention,
                         testing::Combine(testing::Values(QkvBias::none, QkvBias::query_value, QkvBias::all),
                                          testing::Bool(), testing::Bool()));

TEST_P(Attention, AddsToTheResidualAndGivesItsWeights) {
  const auto [biases, positioned, normed] = GetParam();
  const RandomWeights source(1);
  const beit::WeightScope weights = source.root().scope("attn");
  beit::RelativePositionBias bias(grid);
  Doubles table;
  if (positioned) {
    bias.add(weights, heads);
    table = reference::parameter(weights, "relative_position_bias_table", positions, heads);
  }
  beit::Attention<float> attention(beit::default_kernels(), weights, dim, heads, biases, std::move(bias));
  if (normed) attention.norm_context(beit::default_kernels(), weights.scope("norm"), 1e-5f);
  const Matrix x = numbers(source, "x", batch * tokens, dim);
  const Matrix before = numbers(source, "y", batch * tokens, dim);
  const auto gamma = source.get("gamma_1", std::vector<Index>{dim});

  Doubles qkv_bias = Doubles::Zero(1, 3 * dim);
  if (biases == QkvBias::all) qkv_bias = reference::parameter(weights, "qkv.bias", 1, 3 * dim);
  if (biases == QkvBias::query_value) {
    qkv_bias.leftCols(dim) = reference::parameter(weights, "q_bias", 1, dim);
    qkv_bias.rightCols(dim) = reference::parameter(weights, "v_bias", 1, dim);
  }
  const Doubles qkv =
      reference::linear(reference::doubles(x), reference::parameter(weights, "qkv.weight", 3 * dim, dim), qkv_bias);
  Doubles context(batch * tokens, dim), softmax(batch * heads * tokens, tokens);
  for (Index b = 0; b < batch; ++b) {
    const Doubles image = qkv.middleRows(b * tokens, tokens);
    context.middleRows(b * tokens, tokens) = reference::attention(image, heads, table, grid);
    for (Index head = 0; head < heads; ++head) {
      softmax.middleRows((b * heads + head) * tokens, tokens) =
          reference::attention_weights(image, head, heads, table, grid);
    }
  }
  if (normed) context = reference::layer_norm(context, weights.scope("norm"), 1e-5f);
  Doubles wanted = reference::linear(context, weights.scope("proj"), dim);
  if (normed) wanted *= Eigen::Map<const Eigen::VectorXf>(gamma.data(), dim).cast<double>().asDiagonal();
  wanted += reference::doubles(before);

  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    beit::Workspace::Frame frame(workspace);
    const beit::Activations operand = attention.input(frame, batch, tokens);
    beit::write_rows(x, operand, workspace.executor());
    Matrix out(before), found(batch * heads * tokens, tokens);
    attention.forward_residual(operand, normed ? gamma.data() : nullptr, workspace, out);
    EXPECT_LE(reference::difference(out, wanted), 5e-6) << threads;
    attention.forward_weights(operand, workspace, found);
    EXPECT_LE(reference::difference(found, softmax), 1e-6) << threads;
  }
}

}  // namespace beit_test::attention_test
