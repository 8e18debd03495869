#include <beit/nn/block.hpp>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::block_test {

using beit::Index;
using beit::Matrix;
using reference::Doubles;

constexpr beit::Size grid{9, 11};
constexpr Index tokens = 100, heads = 2, dim = 16, hidden = 40;

/// A block of BEiT, or of BEiT-3, which has inner norms but no layer scale and no relative positions.
class Block : public testing::TestWithParam<bool> {
 protected:
  beit::Block<float>::Options options() const {
    const bool beit3 = GetParam();
    return {.dim = dim,
            .heads = heads,
            .hidden = hidden,
            .qkv_bias = beit3 ? beit::QkvBias::all : beit::QkvBias::query_value,
            .layer_scale = !beit3,
            .scale_attn_norm = beit3,
            .scale_mlp_norm = beit3,
            .eps = beit3 ? 1e-5f : 1e-6f};
  }

  beit::RelativePositionBias bias() const {
    beit::RelativePositionBias result(grid);
    if (!GetParam()) result.add(weights_.scope("attn"), heads);
    return result;
  }

  Doubles scale(const char* name) const {
    return GetParam() ? Doubles(Doubles::Ones(1, dim)) : reference::parameter(weights_, name, 1, dim);
  }

  /// One image (N, C).
  Doubles reference(Doubles x) const {
    const bool beit3 = GetParam();
    const double eps = static_cast<double>(options().eps);
    const beit::WeightScope attn = weights_.scope("attn"), mlp = weights_.scope("mlp");
    Doubles bias = Doubles::Zero(1, 3 * dim), table;
    if (beit3) {
      bias = reference::parameter(attn, "qkv.bias", 1, 3 * dim);
    } else {
      bias.leftCols(dim) = reference::parameter(attn, "q_bias", 1, dim);
      bias.rightCols(dim) = reference::parameter(attn, "v_bias", 1, dim);
      table =
          reference::parameter(attn, "relative_position_bias_table", beit::kernels::relative_positions(grid), heads);
    }
    Doubles y = reference::linear(reference::layer_norm(x, weights_.scope("norm1"), eps),
                                  reference::parameter(attn, "qkv.weight", 3 * dim, dim), bias);
    y = reference::attention(y, heads, table, grid);
    if (beit3) y = reference::layer_norm(y, attn.scope("norm"), eps);
    x += reference::linear(y, attn.scope("proj"), dim) * scale("gamma_1").row(0).asDiagonal();
    y = reference::gelu(
        reference::linear(reference::layer_norm(x, weights_.scope("norm2"), eps), mlp.scope("fc1"), hidden));
    if (beit3) y = reference::layer_norm(y, mlp.scope("norm"), eps);
    x += reference::linear(y, mlp.scope("fc2"), dim) * scale("gamma_2").row(0).asDiagonal();
    return x;
  }

  RandomWeights source_{1};
  beit::WeightScope weights_ = source_.root().scope("blocks.0");
};
INSTANTIATE_TEST_SUITE_P(, Block, testing::Bool());

// Tests more images than a block computes together.
TEST_P(Block, OfManyImagesIsThatOfEach) {
  const beit::Block<float> block(beit::default_kernels(), weights_, options(), bias());
  const Index batch = 6;
  const Matrix x = numbers(source_, "x", batch * tokens, dim);
  Doubles wanted(batch * tokens, dim);
  for (Index b = 0; b < batch; ++b) {
    wanted.middleRows(b * tokens, tokens) = reference(reference::doubles(x).middleRows(b * tokens, tokens));
  }
  Matrix first;
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    Matrix out(x);
    block.forward(batch, workspace, out);
    EXPECT_LE(reference::difference(out, wanted), 1e-5) << threads;
    if (threads == 1) {
      first = Matrix(out);
    } else {
      EXPECT_EQ(out.map(), first.map());
    }
  }
}

TEST_P(Block, OfNoImagesIsNothing) {
  const beit::Block<float> block(beit::default_kernels(), weights_, options(), bias());
  beit::Workspace workspace;
  Matrix none(0, dim), weights(0, tokens);
  block.forward(0, workspace, none);
  block.forward_attention(none, 0, workspace, weights);
  EXPECT_EQ(none.rows(), 0);
}

}  // namespace beit_test::block_test
