// Compares attention_weights with loops in double precision and timm's own index of relative positions.
#include <gtest/gtest.h>
#include <beit/nn/attention_weights.hpp>

#include <cmath>
#include <vector>

#include <beit/kernels/kernels.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "../timm_index.hpp"

namespace {

using beit::Index;
using beit::Matrix;

constexpr beit::Size grid{2, 3};
constexpr Index tokens = 7, heads = 3, head_dim = 5, dim = heads * head_dim;
constexpr Index positions = (2 * grid.height - 1) * (2 * grid.width - 1) + 3;

/// softmax(q k^T / sqrt(D) + R) for a head: (N, N)
std::vector<double> reference(const Matrix& qkv, Index head, const float* table) {
  std::vector<double> weights;
  for (Index i = 0; i < tokens; ++i) {
    std::vector<double> row;
    double sum = 0;
    for (Index j = 0; j < tokens; ++j) {
      double score = 0;
      for (Index d = 0; d < head_dim; ++d) {
        score += double{qkv(i, head * head_dim + d)} * double{qkv(j, dim + head * head_dim + d)};
      }
      score /= std::sqrt(double{head_dim});
      if (table != nullptr) score += double{table[timm_index(grid, i, j) * heads + head]};
      row.push_back(std::exp(score));
      sum += row.back();
    }
    for (const double x : row) weights.push_back(x / sum);
  }
  return weights;
}

class AttentionWeights : public testing::Test {
 protected:
  AttentionWeights() {
    std::copy_n(numbers_.get("qkv", std::vector<Index>{tokens, 3 * dim}).data(), qkv_.size(), qkv_.data());
    for (Index i = 0; i < qkv_.size(); ++i) qkv_.data()[i] *= 8;
  }

  /// qkv_ as the second of two images, in the layout of one of the attention kernels.
  beit::Activations write(beit::Precision precision) {
    const beit::Activations qkv =
        frame_.activations(*testing_levels::precision_kernels(beit::default_kernels().isa, precision).attention.layout,
                           2, tokens, 3 * dim);
    for (Index image = 0; image < 2; ++image) qkv.write(image, 0, tokens, 0, 3 * dim, qkv_.data(), 3 * dim);
    return qkv;
  }

  void check(beit::Precision precision, bool biased) {
    const beit::Activations qkv = write(precision);
    Matrix values(tokens, 3 * dim);
    for (Index i = 0; i < tokens; ++i) qkv.read(1, i, 0, 3 * dim, values.row(i));
    const auto table = numbers_.get("relative_position_bias_table", std::vector<Index>{positions, heads});
    beit::RelativePositionBias bias(grid);
    if (biased) bias.add(numbers_.root(), heads);
    for (Index head = 0; head < heads; ++head) {
      Matrix found(tokens, tokens);
      beit::attention_weights(qkv, 1, head, heads, bias, found);
      const std::vector<double> wanted = reference(values, head, biased ? table.data() : nullptr);
      for (Index i = 0; i < found.size(); ++i) {
        ASSERT_NEAR(found.data()[i], wanted[static_cast<std::size_t>(i)], 1e-7) << "head " << head << " at " << i;
      }
      for (Index i = 0; i < tokens; ++i) EXPECT_NEAR(found.map().row(i).sum(), 1.0f, 1e-6f);
    }
  }

  testing_weights::RandomWeights numbers_{3};
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

}  // namespace
