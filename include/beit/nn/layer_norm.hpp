// timm.layers.LayerNorm.
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias, for each row.
class LayerNorm {
 public:
  /// eps: timm.layers.LayerNorm's default.
  LayerNorm(const WeightScope& weights, Index dim, float eps = 1e-6f)
      : weight_(weights.get("weight", {dim})), bias_(weights.get("bias", {dim})), eps_(eps) {}

  /// (m, C) -> (m, C); out may be x.
  void forward(const ConstRows& x, const Executor& executor, Rows out) const {
    constexpr Index block = 32;
    executor.for_each((x.rows() + block - 1) / block, [&](Index item, Index) {
      const Index row = item * block, rows = std::min(block, x.rows() - row);
      kernel_table().layer_norm(x.data() + row * x.outerStride(), x.outerStride(), rows, x.cols(), weight_.data(),
                                bias_.data(), eps_, out.data() + row * out.outerStride(), out.outerStride());
    });
  }

  /// (m, C) -> (m, C) as a product reads it.
  void forward(const ConstRows& x, Workspace& workspace, const Activations& out) const {
    // Some rows at a time: they are written out of a near cache.
    Workspace::Frame frame(workspace);
    const Index slot_size = out.layout->row_tile * x.cols();
    float* const scratch = frame.floats(workspace.executor().size() * slot_size);
    workspace.executor().for_each(out.tiles(), [&](Index t, Index slot) {
      const Activations::Tile tile = out.tile(t);
      const float* const from = x.data() + (tile.segment * out.segment_rows + tile.row) * x.outerStride();
      float* const normed = scratch + slot * slot_size;  // (tile.rows, C)
      kernel_table().layer_norm(from, x.outerStride(), tile.rows, x.cols(), weight_.data(), bias_.data(), eps_, normed,
                                x.cols());
      out.write(tile, normed, x.cols());
    });
  }

 private:
  AlignedBuffer<float> weight_;  // (C,)
  AlignedBuffer<float> bias_;    // (C,)
  float eps_;
};

}  // namespace beit::inline BEIT_ABI
