#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

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

TEST(Workspace, RefusesMatricesAndActivationsWhoseSizeOverflows) {
  constexpr Index half = Index{1} << (sizeof(Index) * 4);  // half the bits: the square is 0 modulo 2^bits
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  Frame frame(workspace);
  EXPECT_THROW(frame.rows(half, half), std::bad_alloc);
  EXPECT_THROW(frame.rows(half / 2, half / 4), std::bad_alloc) << "counted in bytes";
  for (const beit::Precision precision : {beit::Precision::float32, beit::Precision::int8}) {
    const beit::kernels::Layout& layout = *precision_kernels(beit::default_kernels().isa, precision).gemm.layout;
    EXPECT_THROW(static_cast<void>(frame.activations(layout, 1, half, half)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(frame.activations(layout, half, half, 3)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(frame.activations(layout, half / 2, half / 16, 1, true)), std::bad_alloc);
  }
}

TEST(Workspace, CountsTheStepsOfPartsAsThoseOfTheWhole) {
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  std::vector<std::pair<Index, Index>> steps;
  workspace.on_progress([&](const beit::Progress& progress) { steps.emplace_back(progress.done, progress.total); });
  const auto call = [&] {
    for (Index image = 0; image < 2; ++image) {
      const beit::Workspace::Part part(workspace, image, 2);
      for (Index window = 0; window < 3; ++window) {
        const beit::Workspace::Part inner(workspace, window, 3);
        workspace.report("block", 1, 2);
        workspace.report("block", 2, 2);
        if (image == 1 && window == 2) throw std::runtime_error("stopped");
      }
    }
  };
  EXPECT_THROW(call(), std::runtime_error);
  std::vector<std::pair<Index, Index>> wanted;
  for (Index done = 1; done <= 12; ++done) wanted.emplace_back(done, 12);
  EXPECT_EQ(steps, wanted);
  steps.clear();
  workspace.report("block", 1, 2);
  EXPECT_EQ(steps, (std::vector<std::pair<Index, Index>>{{1, 2}})) << "parts end with an exception, too";
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
