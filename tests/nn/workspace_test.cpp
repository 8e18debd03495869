#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>
#include <utility>

#include "../levels.hpp"

namespace beit_test::workspace_test {

using beit::Index;
using Frame = beit::Workspace::Frame;

TEST(Workspace, FramesReuseWhatEndedFramesHad) {
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  EXPECT_EQ(workspace.executor().size(), 1);
  // Takes the memory of a call: two matrices, and with the second, two others in turn.
  const auto call = [&](Index size) {
    Frame outer(workspace);
    float* const first = outer.floats(size);
    std::fill_n(first, size, 1.0f);
    float* places[2] = {};
    for (float*& place : places) {
      Frame inner(workspace);
      beit::Rows rows = inner.rows(3, size);
      EXPECT_EQ(rows.outerStride(), size);
      place = rows.data();
      std::fill_n(place, 3 * size, 2.0f);
      EXPECT_NE(inner.floats(1), place);
    }
    EXPECT_EQ(places[0], places[1]);
    EXPECT_EQ(first[size - 1], 1.0f) << "two that live at the same time share memory";
    return first;
  };
  call(10);
  float* const second = call(10);
  EXPECT_EQ(call(10), second) << "a call like the one before finds its memory";
  EXPECT_EQ(call(5), second);
  call(1000);
  float* const large = call(1000);
  EXPECT_EQ(call(1000), large);
  EXPECT_EQ(call(10), large);
}

TEST(Workspace, MemoryIsAlignedToCacheLines) {
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  Frame frame(workspace);
  for (const Index size : {1, 63, 64, 65, 0, 1}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame.bytes(size)) % 64, 0u);
  }
}

TEST(Workspace, WritesRowsSegmentAfterSegment) {
  beit::ThreadPool pool(3);
  beit::Workspace workspace(pool);
  const beit::Isa isa = beit::default_kernels().isa;
  for (const auto& [precision, staged] :
       {std::pair(beit::Precision::float32, true), std::pair(beit::Precision::int8, false),
        std::pair(beit::Precision::int8, true)}) {
    Frame frame(workspace);
    const Index segments = 5, rows = 21, columns = 40;
    const beit::Activations out =
        frame.activations(*precision_kernels(isa, precision).gemm.layout, segments, rows, columns, staged);
    beit::Matrix x(segments * rows, columns);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i % 128) - 63.5f;
    beit::write_rows(x, out, workspace.executor());
    beit::encode_staged(out, workspace.executor());  // as readers do
    for (Index i = 0; i < x.rows(); ++i) {
      float row[columns];
      out.read(i / rows, i % rows, 0, columns, row);
      for (Index j = 0; j < columns; ++j) ASSERT_NEAR(row[j], x(i, j), precision == beit::Precision::int8 ? 0.26 : 0);
    }
  }
}

}  // namespace beit_test::workspace_test
