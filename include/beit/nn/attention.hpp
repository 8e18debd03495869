// timm.models.beit.Attention.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// Multi-head self-attention with relative position bias R:
///   q, k, v = x Wq^T + bq, x Wk^T, x Wv^T + bv;  head = softmax(q k^T / sqrt(D) + R) v;  y = heads Wo^T + bo.
/// Keys have no bias: it would add the same to every score of a query, which softmax ignores.
template <typename Weight>
class Attention {
 public:
  Attention(const WeightScope& weights, Index dim, Index heads, bool qkv_bias, RelativePositionBias bias)
      : heads_(heads), bias_(std::move(bias)), proj_(weights.scope("proj"), dim, dim) {
    AlignedBuffer<float> qkv_biases;
    if (qkv_bias) {
      qkv_biases = AlignedBuffer<float>(3 * dim);
      std::copy_n(weights.get("q_bias", {dim}).data(), dim, qkv_biases.data());
      std::fill_n(qkv_biases.data() + dim, dim, 0.0f);
      std::copy_n(weights.get("v_bias", {dim}).data(), dim, qkv_biases.data() + 2 * dim);
    }
    qkv_ = Linear<Weight>(weights, "qkv.weight", {3 * dim, dim}, std::move(qkv_biases));
  }

  /// out += gamma * y; x (B*N, C), gamma (C,) or null for 1, out (B*N, C).
  void forward_residual(const ConstRows& x, Index batch, const float* gamma, Workspace& workspace, Rows out) const {
    if (batch == 0) return;
    const Executor& executor = workspace.executor();
    const Index dim = qkv_.inputs(), tokens = x.rows() / batch, head_dim = dim / heads_;
    Rows qkv = workspace.rows(Workspace::qkv, x.rows(), 3 * dim);
    Rows context = workspace.rows(Workspace::context, x.rows(), dim);
    qkv_.forward(x, executor, qkv);

    const kernels::Kernels& table = kernel_table();
    // Whole cache lines for each slot.
    const Index scratch_size = (table.attention_scratch(tokens, head_dim) + 15) / 16 * 16;
    float* scratch = workspace.get(Workspace::scratch, executor.size() * scratch_size);
    executor.for_each(batch * heads_, [&](Index item, Index slot) {
      const Index b = item / heads_, head = item % heads_;
      const float* q = qkv.data() + b * tokens * 3 * dim + head * head_dim;
      table.attention({.q = q,
                       .k = q + dim,
                       .v = q + 2 * dim,
                       .ld = 3 * dim,
                       .out = context.data() + b * tokens * dim + head * head_dim,
                       .ldo = dim,
                       .n = tokens,
                       .d = head_dim,
                       .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                       .bias_table = bias_.head(head),
                       .grid = bias_.grid()},
                      scratch + slot * scratch_size);
    });
    proj_.forward_residual(context, gamma, executor, out);
  }

 private:
  Index heads_;
  RelativePositionBias bias_;
  Linear<Weight> proj_;  // (C, C)
  Linear<Weight> qkv_;   // (3*C, C)
};

}  // namespace beit::inline BEIT_ABI
