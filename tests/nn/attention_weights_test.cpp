// Compares attention_weights with loops in double precision and timm's own index of relative positions.
#include <beit/nn/attention_weights.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include <beit/kernels/kernels.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::attention_weights_test {

using beit::Index;
using beit::Matrix;

constexpr beit::Size grid{2, 3};
constexpr Index tokens = 7, heads = 3, head_dim = 5, dim = heads * head_dim;

class AttentionWeights : public testing::Test {
 protected:
  AttentionWeights() {
    std::copy_n(numbers_.get("qkv", std::vector<Index>{tokens, 3 * dim}).data(), qkv_.size(), qkv_.data());
    for (Index i = 0; i < qkv_.size(); ++i) qkv_.data()[i] *= 8;
  }

  /// qkv_ as the second of two images, in the layout of one of the attention kernels.
  beit::Activations write(beit::Precision precision) {
    const beit::Activations qkv = frame_.activations(
        *precision_kernels(beit::default_kernels().isa, precision).attention.layout, 2, tokens, 3 * dim);
    for (Index image = 0; image < 2; ++image) qkv.write(image, 0, tokens, 0, 3 * dim, qkv_.data(), 3 * dim);
    return qkv;
  }

  void check(beit::Precision precision, bool biased) {
    const beit::Activations qkv = write(precision);
    Matrix values(tokens, 3 * dim);
    for (Index i = 0; i < tokens; ++i) qkv.read(1, i, 0, 3 * dim, values.row(i));
    beit::RelativePositionBias bias(grid);
    reference::Doubles table;
    if (biased) {
      bias.add(numbers_.root(), heads);
      table = reference::parameter(numbers_.root(), "relative_position_bias_table",
                                   beit::kernels::relative_positions(grid), heads);
    }
    for (Index head = 0; head < heads; ++head) {
      Matrix found(tokens, tokens);
      beit::attention_weights(qkv, 1, head, heads, bias, found);
      const reference::Doubles wanted =
          reference::attention_weights(reference::doubles(values), head, heads, table, grid);
      EXPECT_LE(reference::difference(found, wanted), 1e-7) << "head " << head;
      for (Index i = 0; i < tokens; ++i) EXPECT_NEAR(found.map().row(i).sum(), 1.0f, 1e-6f);
    }
  }

  RandomWeights numbers_{3};
  Matrix qkv_{tokens, 3 * dim};
  beit::Workspace workspace_;
  beit::Workspace::Frame frame_{workspace_};
};

TEST_F(AttentionWeights, OfFloats) {
  check(beit::Precision::float32, true);
  check(beit::Precision::float32, false);
}

TEST_F(AttentionWeights, OfBfloat16) { check(beit::Precision::bfloat16, true); }

TEST_F(AttentionWeights, LargeScoresDoNotOverflow) {
  for (Index i = 0; i < qkv_.size(); ++i) qkv_.data()[i] *= 1000;
  Matrix found(tokens, tokens);
  beit::attention_weights(write(beit::Precision::float32), 1, 0, heads, {}, found);
  for (Index i = 0; i < tokens; ++i) EXPECT_NEAR(found.map().row(i).sum(), 1.0f, 1e-6f);
}

}  // namespace beit_test::attention_weights_test
