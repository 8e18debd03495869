#include <beit/nn/relative_position_bias.hpp>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::relative_position_bias_test {

using beit::Index;

constexpr beit::Size grid{3, 5};
constexpr Index heads = 4, positions = 5 * 9 + 3;

TEST(RelativePositionBias, HoldsTheTableOfEachHead) {
  const RandomWeights source(1);
  beit::RelativePositionBias bias(grid);
  bias.add(source.root().scope("attn"), heads);
  const reference::Doubles table =
      reference::parameter(source.root().scope("attn"), "relative_position_bias_table", positions, heads);
  for (Index head = 0; head < heads; ++head) {
    for (Index i = 0; i < positions; ++i) {
      EXPECT_EQ(bias.head(head)[beit::kernels::compact_relative_position(grid, i)], table(i, head));
    }
  }
  EXPECT_EQ(bias.grid(), grid);
}

TEST(RelativePositionBias, AddsASharedTableToABlocksOwn) {
  const RandomWeights source(1);
  beit::RelativePositionBias own(grid), shared(grid), both(grid);
  own.add(source.root().scope("own"), heads);
  shared.add(source.root().scope("shared"), heads);
  both.add(source.root().scope("own"), heads);
  both.add(source.root().scope("shared"), heads);
  for (Index head = 0; head < heads; ++head) {
    for (Index i = 0; i < positions; ++i) EXPECT_EQ(both.head(head)[i], own.head(head)[i] + shared.head(head)[i]);
  }
}

TEST(RelativePositionBias, IsNullWhereThereIsNone) {
  EXPECT_EQ(beit::RelativePositionBias().head(0), nullptr);
  EXPECT_EQ(beit::RelativePositionBias(grid).head(1), nullptr);
}

}  // namespace beit_test::relative_position_bias_test
