#include <beit/kernels/chunk_walk.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace beit_test::chunk_walk_test {

using beit::Index;
using beit::kernels::ChunkWalk;

struct Shape {
  Index depth, chunk, section, panel0, panel1;
};

class Walk : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(, Walk,
                         testing::Values(Shape{1, 4, 8, 0, 1}, Shape{8, 4, 8, 0, 3}, Shape{10, 4, 8, 2, 5},
                                         Shape{24, 4, 8, 1, 2}, Shape{25, 3, 6, 0, 4}, Shape{7, 8, 8, 3, 6}));

// The walk visits the same chunks as three loops: over sections of k, panels and chunks.
TEST_P(Walk, GoesThroughPartsPanelsAndChunks) {
  const Shape shape = GetParam();
  ChunkWalk walk{shape.depth, shape.chunk, shape.section, shape.panel0, shape.panel1, 0, shape.panel0};
  EXPECT_EQ(walk.splits_depth(), shape.depth > shape.section);
  bool more = true;
  for (Index section = 0; section < shape.depth; section += shape.section) {
    const Index section_end = std::min(section + shape.section, shape.depth);
    for (Index panel = shape.panel0; panel < shape.panel1; ++panel) {
      for (Index begin = section; begin < section_end; begin += shape.chunk) {
        ASSERT_TRUE(more);
        EXPECT_EQ(walk.panel, panel);
        EXPECT_EQ(walk.begin, begin);
        EXPECT_EQ(walk.end(), std::min(begin + shape.chunk, section_end));
        EXPECT_EQ(walk.count(), walk.end() - begin);
        EXPECT_EQ(walk.first(), begin == 0);
        EXPECT_EQ(walk.last(), walk.end() == shape.depth);
        more = walk.advance();
      }
    }
  }
  EXPECT_FALSE(more);
  EXPECT_EQ(walk.panel, shape.panel1);
  EXPECT_EQ(walk.begin, 0);
}

TEST(Prefetch, AsksForNoMoreThanThereIs) {
  const std::vector<std::byte> memory(3 * 4096 + 200);
  beit::kernels::Prefetch all(memory.data(), static_cast<Index>(memory.size()));
  EXPECT_LE(all.lines() * 64, static_cast<Index>(memory.size()));
  EXPECT_GE(all.lines() * 64, static_cast<Index>(memory.size()) - 3 * 64);  // less than a line of each page's stream
#if defined(__GNUC__)                                                       // others have no way to ask
  const Index lines = all.lines();
  all.fetch(5);
  EXPECT_EQ(all.lines(), lines - 5);
  all.fetch(1000);
  EXPECT_EQ(all.lines(), 0);
#endif
  EXPECT_EQ(beit::kernels::Prefetch().lines(), 0);
}

}  // namespace beit_test::chunk_walk_test
