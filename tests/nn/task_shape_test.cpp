// Tests how a product is divided among threads, on the shapes that the kernels of all levels have.
#include <beit/nn/task_shape.hpp>

#include <algorithm>

#include <gtest/gtest.h>

#include <beit/kernels/types.hpp>

namespace beit_test::task_shape_test {

using beit::Index;
using beit::detail::ceil_div;
using beit::detail::task_shape;
using beit::detail::TaskShape;
using beit::kernels::GemmKernel;

/// A kernel of which only the shape counts.
GemmKernel kernel(Index tile_step, Index column_tile, Index (*tiles_per_call)(Index)) {
  GemmKernel result{};
  result.tile_step = tile_step;
  result.column_tile = column_tile;
  result.tiles_per_call = tiles_per_call;
  return result;
}

/// Rows in tiles of 6 as AVX2 has them, of 16 by twos as AMX has them, and of 4.
const GemmKernel kernels[] = {kernel(1, 16, [](Index) { return Index{67}; }),
                              kernel(2, 32, [](Index k) { return std::max<Index>(2, 8192 / k / 2 * 2); }),
                              kernel(1, 8, [](Index) { return Index{100}; })};

TEST(TaskShape, IsMadeOfTheKernelsTiles) {
  for (const GemmKernel& each : kernels) {
    for (const Index row_tiles : {0, 1, 2, 13, 33, 67, 500}) {
      for (const Index outputs : {1, 8, 50, 768, 3072}) {
        for (const Index threads : {1, 2, 3, 8, 64, 192}) {
          const TaskShape shape = task_shape(each, row_tiles, outputs, 768, threads);
          ASSERT_GE(shape.tiles, each.tile_step);
          ASSERT_GE(shape.columns, each.column_tile);
          EXPECT_EQ(shape.tiles % each.tile_step, 0);
          EXPECT_EQ(shape.columns % each.column_tile, 0);
          EXPECT_LE(shape.columns, 256);
          // Either there is work for all threads, or no smaller task.
          const Index tasks = ceil_div(row_tiles, shape.tiles) * ceil_div(outputs, shape.columns);
          EXPECT_TRUE(tasks >= 3 * threads || (shape.tiles == each.tile_step && shape.columns == each.column_tile) ||
                      row_tiles == 0)
              << row_tiles << " row tiles, " << outputs << " outputs, " << threads << " threads: " << shape.tiles
              << " by " << shape.columns;
        }
      }
    }
  }
}

TEST(TaskShape, IsLargeForOneThread) {
  const TaskShape shape = task_shape(kernels[0], 66, 3072, 768, 1);
  EXPECT_EQ(shape.tiles, 67);
  EXPECT_EQ(shape.columns, 256);
}

TEST(TaskShape, LosesColumnsBeforeRows) {
  const TaskShape shape = task_shape(kernels[0], 66, 768, 768, 8);  // 24 tasks, 3 for each thread
  EXPECT_EQ(shape.tiles, 67);
  EXPECT_EQ(shape.columns, 32);
  EXPECT_LT(task_shape(kernels[0], 66, 768, 768, 32).tiles, 67);
}

TEST(TaskShape, LetsThreadsEndTogether) {
  // In tasks of 64 columns, the busiest of 3 threads has 6 of 16: 384 columns. In tasks of 32 it has 11 of 32: 352.
  EXPECT_EQ(task_shape(kernels[0], 1, 1024, 768, 3).columns, 32);
}

}  // namespace beit_test::task_shape_test
