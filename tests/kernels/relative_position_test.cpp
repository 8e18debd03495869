// Compares the bias of each query with timm's gathered matrix.
#include <beit/kernels/relative_position.hpp>

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "../timm_index.hpp"

namespace beit_test::relative_position_test {

using beit::Index;
using beit::Size;

/// Copies as far beyond `count` as a level may.
struct Greedy {
  static void copy_with_overrun(const float* x, Index count, float* out) {
    std::copy_n(x, count + beit::kernels::relative_position_slack, out);
  }
};

TEST(RelativePosition, EveryQueryHasTimmsRow) {
  for (const Size grid : {Size{1, 1}, Size{1, 7}, Size{7, 1}, Size{3, 5}, Size{14, 14}}) {
    const Index positions = beit::kernels::relative_positions(grid), tokens = 1 + grid.area();
    ASSERT_EQ(positions, (2 * grid.height - 1) * (2 * grid.width - 1) + 3);
    // Each entry of timm's table is the number of its row, and each has its own place in the compact table.
    std::vector<float> table(static_cast<std::size_t>(positions + beit::kernels::relative_position_slack), -1.0f);
    for (Index i = 0; i < positions; ++i) {
      float& place = table[static_cast<std::size_t>(beit::kernels::compact_relative_position(grid, i))];
      ASSERT_EQ(place, -1.0f);
      place = static_cast<float>(i);
    }
    std::vector<float> row(static_cast<std::size_t>(tokens + beit::kernels::relative_position_slack));
    for (Index query = 0; query < tokens; ++query) {
      beit::kernels::expand_relative_position_bias(table.data(), grid, query, &Greedy::copy_with_overrun, row.data());
      for (Index key = 0; key < tokens; ++key) {
        ASSERT_EQ(row[static_cast<std::size_t>(key)], static_cast<float>(timm_index(grid, query, key)))
            << grid.height << 'x' << grid.width << ", query " << query << ", key " << key;
      }
    }
  }
}

}  // namespace beit_test::relative_position_test
