#include <gtest/gtest.h>

#include <beit/nn/workspace.hpp>

namespace {

TEST(Workspace, GrowsAndThenStays) {
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  float* const small = workspace.floats(beit::Workspace::tokens, 10);
  EXPECT_EQ(workspace.floats(beit::Workspace::tokens, 5), small);
  float* const large = workspace.floats(beit::Workspace::tokens, 1000);
  large[999] = 1;
  EXPECT_EQ(workspace.floats(beit::Workspace::tokens, 1000), large);
  EXPECT_NE(workspace.floats(beit::Workspace::normed, 1000), large);
  const beit::Rows rows = workspace.rows(beit::Workspace::tokens, 20, 50);
  EXPECT_EQ(rows.data(), large);
  EXPECT_EQ(rows.outerStride(), 50);
  EXPECT_EQ(workspace.executor().size(), 1);
}

}  // namespace
