// timm.models.beit.Attention.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/attention_weights.hpp>
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

  /// out += gamma * y; x (B*N, C) as Linear<Weight>::kernel() reads it, gamma (C,) or null for 1, out (B*N, C).
  void forward_residual(const Operand& x, Index batch, const float* gamma, Workspace& workspace, Rows out) const {
    if (batch == 0) return;
    const Executor& executor = workspace.executor();
    const kernels::GemmKernel& gemm = Linear<Weight>::kernel();
    const kernels::AttentionKernel& kernel = arithmetic<Weight>().attention;
    const Index dim = qkv_.inputs(), tokens = x.rows / batch, head_dim = dim / heads_;
    const Operand qkv = forward_qkv(x, workspace);

    // Written as the projection reads it, if attention can.
    const bool direct = gemm.form == kernel.form && gemm.depth(dim) == dim;
    const kernels::Form form = direct ? gemm.form : kernels::Form::float32;
    Operand context = workspace.operand(Workspace::context, x.rows, dim, dim, form);
    // Whole cache lines for each slot.
    const Index scratch_size = (kernel.scratch_bytes(tokens, head_dim) + 63) / 64 * 64;
    std::byte* scratch = workspace.bytes(Workspace::scratch, executor.size() * scratch_size);
    executor.for_each(batch * heads_, [&](Index item, Index slot) {
      const Index b = item / heads_, head = item % heads_;
      const auto part = [&](const Operand& of, Index column) {
        return static_cast<std::byte*>(of.row(b * tokens)) + column * kernels::form_bytes(of.form);
      };
      kernel.run({.q = part(qkv, head * head_dim),
                  .k = part(qkv, dim + head * head_dim),
                  .v = part(qkv, 2 * dim + head * head_dim),
                  .ld = qkv.ld,
                  .out = part(context, head * head_dim),
                  .ldo = context.ld,
                  .out_form = context.form,
                  .n = tokens,
                  .d = head_dim,
                  .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                  .bias_table = bias_.head(head),
                  .grid = bias_.grid()},
                 scratch + slot * scratch_size);
    });
    if (!direct) context = encode(context.floats(), gemm, workspace, Workspace::encoded);
    proj_.forward_residual(context, gamma, executor, out);
  }

  /// What softmax gives in forward_residual: x likewise -> out (B*A*N, N), image by image, then head by head.
  void forward_weights(const Operand& x, Index batch, Workspace& workspace, Rows out) const {
    if (batch == 0) return;
    const Operand qkv = forward_qkv(x, workspace);
    const Index tokens = x.rows / batch;
    workspace.executor().for_each(batch * heads_, [&](Index item, Index) {
      attention_weights(qkv.middle_rows(item / heads_ * tokens, tokens), item % heads_, heads_, bias_,
                        out.middleRows(item * tokens, tokens));
    });
  }

 private:
  /// (B*N, 3*C) as the attention kernel reads it.
  Operand forward_qkv(const Operand& x, Workspace& workspace) const {
    const Index cols = qkv_.outputs();
    const Operand qkv = workspace.operand(Workspace::qkv, x.rows, cols, cols, arithmetic<Weight>().attention.form);
    qkv_.forward(x, workspace.executor(), qkv);
    return qkv;
  }

  Index heads_;
  RelativePositionBias bias_;
  Linear<Weight> proj_;  // (C, C)
  Linear<Weight> qkv_;   // (3*C, C)
};

}  // namespace beit::inline BEIT_ABI
