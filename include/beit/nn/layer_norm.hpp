// timm.layers.LayerNorm.
#pragma once

#include <algorithm>

#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias, for each row.
class LayerNorm {
 public:
  /// Reads "weight" and "bias"; the default of eps is timm.layers.LayerNorm's. `kernels` must outlive the layer.
  LayerNorm(const Kernels& kernels, const WeightScope& weights, Index dim, float eps = 1e-6f)
      : kernels_(&kernels), weight_(weights.get("weight", {dim})), bias_(weights.get("bias", {dim})), eps_(eps) {}

  /// Normalises x (m, C) -> out (m, C); out may be x.
  void forward(const ConstRows& x, const Executor& executor, Rows out) const {
    constexpr Index rows_per_task = 32;
    executor.for_each(detail::ceil_div(x.rows(), rows_per_task), [&](Index item, Index) {
      const Index row = item * rows_per_task, rows = std::min(rows_per_task, x.rows() - row);
      kernels_->layer_norm(x.data() + row * x.outerStride(), x.outerStride(), rows, x.cols(), weight_.data(),
                           bias_.data(), eps_, out.data() + row * out.outerStride(), out.outerStride());
    });
  }

  /// Normalises x (m, C) -> out (m, C) in the layout that a product reads.
  void forward(const ConstRows& x, Workspace& workspace, const Activations& out) const {
    for_each_tile(out, workspace, [&](const Activations::RowTile& tile, float* normed) {
      const float* const from = x.data() + (tile.segment * out.segment_rows + tile.row) * x.outerStride();
      norm_tile(from, x.outerStride(), tile, normed, out);
    });
  }
  /// Normalises activations, which may have another layout than `out`.
  void forward(const Activations& x, Workspace& workspace, const Activations& out) const {
    for_each_tile(out, workspace, [&](const Activations::RowTile& tile, float* rows) {
      for (Index i = 0; i < tile.rows; ++i) x.read(tile.segment, tile.row + i, 0, x.columns, rows + i * x.columns);
      norm_tile(rows, x.columns, tile, rows, out);
    });
  }

 private:
  /// Calls body(tile, rows) for each row tile of `out`, with memory for its rows that stays in a near cache.
  template <typename Body>
  void for_each_tile(const Activations& out, Workspace& workspace, const Body& body) const {
    Workspace::Frame frame(workspace);
    const Index slot_size = out.layout->row_tile * out.columns;
    float* const scratch = frame.floats(workspace.executor().size() * slot_size);
    workspace.executor().for_each(out.tiles(),
                                  [&](Index t, Index slot) { body(out.tile(t), scratch + slot * slot_size); });
  }

  /// Normalises x (tile.rows, C), rows ldx apart, into `normed` (without padding; may be x), and writes that to `out`.
  void norm_tile(const float* x, Index ldx, const Activations::RowTile& tile, float* normed,
                 const Activations& out) const {
    kernels_->layer_norm(x, ldx, tile.rows, out.columns, weight_.data(), bias_.data(), eps_, normed, out.columns);
    out.write(tile, normed, out.columns);
  }

  const Kernels* kernels_;
  AlignedBuffer<float> weight_;  // (C,)
  AlignedBuffer<float> bias_;    // (C,)
  float eps_;
};

}  // namespace beit::inline BEIT_ABI
