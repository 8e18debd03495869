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

/// y = (x - mean(x)) / sqrt(var(x) + 1e-6) * weight + bias, for each row.
class LayerNorm {
 public:
  static constexpr float eps = 1e-6f;  // timm.layers.LayerNorm's default

  LayerNorm(const WeightScope& weights, Index dim)
      : weight_(weights.get("weight", {dim})), bias_(weights.get("bias", {dim})) {}

  /// (m, C) -> (m, C); out may be x.
  void forward(const ConstRows& x, const Executor& executor, Rows out) const {
    constexpr Index block = 32;
    executor.for_each((x.rows() + block - 1) / block, [&](Index item, Index) {
      const Index row = item * block, rows = std::min(block, x.rows() - row);
      kernel_table().layer_norm(x.data() + row * x.outerStride(), x.outerStride(), rows, x.cols(), weight_.data(),
                                bias_.data(), eps, out.data() + row * out.outerStride(), out.outerStride());
    });
  }

  /// (m, C) -> (m, C) as what `kernel` multiplies, in `buffer`.
  Operand forward(const ConstRows& x, const kernels::GemmKernel& kernel, Workspace& workspace,
                  Workspace::Buffer buffer) const {
    const Operand out = workspace.operand(buffer, x.rows(), x.cols(), kernel);
    if (kernel.encode == nullptr) {
      forward(x, workspace.executor(), out.floats());
      return out;
    }
    // Some rows at a time: they are encoded out of the nearest cache.
    constexpr Index block = 4;
    const Index slot_size = (block * x.cols() + 15) / 16 * 16;
    float* scratch = workspace.floats(Workspace::scratch, workspace.executor().size() * slot_size);
    workspace.executor().for_each((x.rows() + block - 1) / block, [&](Index item, Index slot) {
      const Index row = item * block, rows = std::min(block, x.rows() - row);
      float* normed = scratch + slot * slot_size;  // (rows, C)
      kernel_table().layer_norm(x.data() + row * x.outerStride(), x.outerStride(), rows, x.cols(), weight_.data(),
                                bias_.data(), eps, normed, x.cols());
      kernel.encode(normed, x.cols(), rows, x.cols(), out.row(row), out.ld, out.scale + row);
    });
    return out;
  }

 private:
  AlignedBuffer<float> weight_;  // (C,)
  AlignedBuffer<float> bias_;    // (C,)
};

}  // namespace beit::inline BEIT_ABI
