// timm.models.beit.Attention.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/kernels/row_layout.hpp>
#include <beit/nn/attention_weights.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/qkv_bias.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// Multi-head self-attention with relative position bias R:
///   q, k, v = x Wq^T + bq, x Wk^T + bk, x Wv^T + bv;  head = softmax(q k^T / sqrt(D) + R) v;  y = heads Wo^T + bo.
template <typename Weight>
class Attention {
 public:
  /// Reads the parameters below timm's `attn`; `bias` has those of relative positions.
  Attention(const Kernels& kernels, const WeightScope& weights, Index dim, Index heads, QkvBias qkv_bias,
            RelativePositionBias bias)
      : kernel_(&precision_kernels<Weight>(kernels).attention),
        heads_(heads),
        bias_(std::move(bias)),
        proj_(kernels, weights.scope("proj"), dim, dim) {
    AlignedBuffer<float> qkv_biases;
    if (qkv_bias == QkvBias::all) qkv_biases = weights.get("qkv.bias", {3 * dim});
    if (qkv_bias == QkvBias::query_value) {
      qkv_biases = AlignedBuffer<float>(3 * dim);
      std::copy_n(weights.get("q_bias", {dim}).data(), dim, qkv_biases.data());
      std::fill_n(qkv_biases.data() + dim, dim, 0.0f);
      std::copy_n(weights.get("v_bias", {dim}).data(), dim, qkv_biases.data() + 2 * dim);
    }
    qkv_ = Linear<Weight>(kernels, weights, "qkv.weight", {3 * dim, dim}, std::move(qkv_biases));
  }

  /// Adds a norm before the projection: y = norm(heads) Wo^T + bo, timm.layers.Attention with scale_norm, "attn.norm"
  /// of BEiT-3.
  void norm_context(const Kernels& kernels, const WeightScope& norm, float eps) {
    norm_.emplace(kernels, norm, proj_.inputs(), eps);
  }

  /// Takes memory for x (B*N, C) from the frame.
  [[nodiscard]] Activations input(Workspace::Frame& frame, Index batch, Index tokens) const {
    return qkv_.input(frame, batch, tokens);
  }

  /// out += gamma * y; x (B*N, C), one segment per image, gamma (C,) or null for 1, out (B*N, C).
  void forward_residual(const Activations& x, const float* gamma, Workspace& workspace, Rows out) const {
    const Executor& executor = workspace.executor();
    const Index head_dim = qkv_.inputs() / heads_;
    Workspace::Frame frame(workspace);
    const Activations qkv = forward_qkv(x, workspace, frame);                            // (B*N, 3*C)
    const Activations context = proj_.input(frame, x.segments, x.segment_rows, !norm_);  // (B*N, C)
    const Activations heads = norm_
                                  ? frame.activations(kernels::float_rows, x.segments, x.segment_rows, context.columns)
                                  : context;  // the context before the norm
    const Index scratch_size = detail::round_up_to_cache_line(kernel_->scratch_bytes(x.segment_rows, head_dim));
    std::byte* const scratch = frame.bytes(executor.size() * scratch_size);
    executor.for_each(x.segments * heads_, [&](Index item, Index slot) {
      const Index head = item % heads_;
      kernel_->run({.qkv = &qkv,
                    .out = &heads,
                    .segment = item / heads_,
                    .head = head,
                    .heads = heads_,
                    .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                    .bias_table = bias_.head(head),
                    .grid = bias_.grid()},
                   scratch + slot * scratch_size);
    });
    if (norm_) norm_->forward(heads, workspace, context);
    proj_.forward_residual(context, gamma, workspace, out);
  }

  /// The attention weights, which are the softmax's results in forward_residual: x (B*N, C) -> out (B*A*N, N), image by
  /// image, then head by head.
  void forward_weights(const Activations& x, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    const Activations qkv = forward_qkv(x, workspace, frame);
    const Index tokens = x.segment_rows;
    workspace.executor().for_each(x.segments * heads_, [&](Index item, Index) {
      attention_weights(qkv, item / heads_, item % heads_, heads_, bias_, out.middleRows(item * tokens, tokens));
    });
  }

 private:
  /// Queries, keys and values (B*N, 3*C), in the layout of the attention kernel.
  Activations forward_qkv(const Activations& x, Workspace& workspace, Workspace::Frame& frame) const {
    const Activations qkv = frame.activations(*kernel_->layout, x.segments, x.segment_rows, qkv_.outputs());
    qkv_.forward(x, workspace, qkv);
    return qkv;
  }

  const kernels::AttentionKernel* kernel_;
  Index heads_;
  RelativePositionBias bias_;
  std::optional<LayerNorm> norm_;
  Linear<Weight> proj_;  // (C, C)
  Linear<Weight> qkv_;   // (3*C, C)
};

}  // namespace beit::inline BEIT_ABI
