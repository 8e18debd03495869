#include <beit/model/block_mask.hpp>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::block_mask_test {

using beit::Index;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(BlockMask, HidesSoManyPatchesInBlocks) {
  for (const Size grid : {Size{14, 14}, Size{7, 7}, Size{1, 1000}, Size{3, 2}, Size{64, 64}}) {
    for (const double ratio : {0.0, 75.0 / 196, 0.4, 1.0}) {
      for (const std::uint64_t seed : {0u, 1u, 12345u}) {
        const std::vector<std::uint8_t> mask = beit::block_mask(grid, ratio, seed);
        ASSERT_EQ(static_cast<Index>(mask.size()), grid.area());
        const Index hidden = std::accumulate(mask.begin(), mask.end(), Index{0});
        EXPECT_EQ(hidden, std::llround(ratio * static_cast<double>(grid.area())));
        EXPECT_EQ(mask, beit::block_mask(grid, ratio, seed));
      }
    }
  }
  EXPECT_NE(beit::block_mask({14, 14}, 0.4, 0), beit::block_mask({14, 14}, 0.4, 1));
  // If 75 patches were hidden independently, both patches of 75 * 74 / 196 / 195 * 364 = 53 pairs of neighbours would
  // be.
  Index pairs = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<std::uint8_t> mask = beit::block_mask({14, 14}, 75.0 / 196, seed);
    for (std::size_t i = 0; i < 196; ++i) {
      pairs += i % 14 != 13 && mask[i] && mask[i + 1];
      pairs += i < 182 && mask[i] && mask[i + 14];
    }
  }
  EXPECT_GT(pairs, 100 * 100);
}

TEST(BlockMask, IsTheSameOnEveryMachine) {
  std::string shown;
  const std::vector<std::uint8_t> mask = beit::block_mask({6, 8}, 0.5, 7);
  for (std::size_t i = 0; i < mask.size(); ++i) shown += std::string(i % 8 == 0 ? "\n" : "") + (mask[i] ? '#' : '.');
  EXPECT_EQ(shown, "\n.....###\n.....###\n.....###\n....####\n..######\n..#.####");
}

TEST(BlockMask, RefusesWhatIsNone) {
  EXPECT_THROW(beit::block_mask({0, 3}, 0.5, 0), beit::ArgumentError);
  EXPECT_THAT(
      [] {
        beit::block_mask({3, 3}, 1.5, 0);
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found ratio 1.5")));
  EXPECT_THROW(beit::block_mask({3, 3}, std::nan(""), 0), beit::ArgumentError);
}

}  // namespace beit_test::block_mask_test
