// timm.models.beit.Block.
#pragma once

#include <algorithm>
#include <utility>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/attention.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/mlp.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// x += gamma_1 * attention(norm1(x));  x += gamma_2 * mlp(norm2(x)).
template <typename Weight>
class Block {
 public:
  /// The settings of a block.
  struct Options {
    Index dim;                     ///< C.
    Index heads;                   ///< A.
    Index hidden;                  ///< M.
    QkvBias qkv_bias;              ///< Which of queries, keys and values have biases.
    bool layer_scale;              ///< Whether there are gamma_1 and gamma_2.
    bool scale_attn_norm = false;  ///< Whether attention has an inner norm (Attention).
    bool scale_mlp_norm = false;   ///< Whether the MLP has an inner norm (Mlp).
    float eps = 1e-6f;             ///< The eps of every norm.
  };

  /// Reads the parameters below timm's `blocks.i`.
  Block(const Kernels& kernels, const WeightScope& weights, const Options& options, RelativePositionBias bias)
      : norm1_(kernels, weights.scope("norm1"), options.dim, options.eps),
        attn_(kernels, weights.scope("attn"), options.dim, options.heads, options.qkv_bias, std::move(bias)),
        norm2_(kernels, weights.scope("norm2"), options.dim, options.eps),
        mlp_(kernels, weights.scope("mlp"), options.dim, options.hidden) {
    if (options.scale_attn_norm) attn_.norm_context(kernels, weights.scope("attn").scope("norm"), options.eps);
    if (options.scale_mlp_norm) mlp_.norm_hidden(kernels, weights.scope("mlp").scope("norm"), options.eps);
    if (options.layer_scale) {
      gamma_1_ = weights.get("gamma_1", {options.dim});
      gamma_2_ = weights.get("gamma_2", {options.dim});
    }
  }

  /// Changes x (B*N, C) in place.
  void forward(Index batch, Workspace& workspace, Rows x) const {
    if (batch == 0) return;
    const Index tokens = x.rows() / batch, together = images_together(tokens, workspace.executor().size());
    for (Index image = 0; image < batch; image += together) {
      const Index count = std::min(together, batch - image);
      forward_together(count, workspace, x.middleRows(image * tokens, count * tokens));
    }
  }

  /// The attention weights of forward: x (B*N, C) -> out (B*A*N, N). x stays as it is.
  void forward_attention(const ConstRows& x, Index batch, Workspace& workspace, Rows out) const {
    if (batch == 0) return;
    Workspace::Frame frame(workspace);
    const Activations normed = attn_.input(frame, batch, x.rows() / batch);
    norm1_.forward(x, workspace, normed);
    attn_.forward_weights(normed, workspace, out);
  }

 private:
  /// The number of images, of `tokens` rows each, that pass through the block together: few, so that what one product
  /// leaves is still in a cache when the next one reads it, but enough that weights are fetched seldom and no thread is
  /// idle.
  static Index images_together(Index tokens, Index threads) {
    constexpr Index rows = 400;  // about two images of 224 pixels
    return std::max<Index>(1, rows * std::max<Index>(1, threads / 4) / tokens);
  }

  void forward_together(Index batch, Workspace& workspace, Rows x) const {
    const Index tokens = x.rows() / batch;
    {
      Workspace::Frame frame(workspace);
      const Activations normed = attn_.input(frame, batch, tokens);
      norm1_.forward(x, workspace, normed);
      attn_.forward_residual(normed, gamma_1_.data(), workspace, x);
    }
    Workspace::Frame frame(workspace);
    const Activations normed = mlp_.input(frame, batch, tokens);
    norm2_.forward(x, workspace, normed);
    mlp_.forward_residual(normed, gamma_2_.data(), workspace, x);
  }

  LayerNorm norm1_;
  Attention<Weight> attn_;
  LayerNorm norm2_;
  Mlp<Weight> mlp_;
  AlignedBuffer<float> gamma_1_;  // (C,), or empty: no layer scale
  AlignedBuffer<float> gamma_2_;  // (C,), or empty
};

}  // namespace beit::inline BEIT_ABI
