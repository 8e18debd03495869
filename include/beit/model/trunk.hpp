// The trunk that all heads share: timm.models.beit.Beit without its classifier.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/block.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/patch_embed.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// Patch embedding, class token, positions, blocks and, if the model has it, the final norm. It is constant, and can be
/// moved but not copied.
template <typename Weight>
class Trunk {
 public:
  /// Reads the parameters under timm's names; "norm" if the configuration says so. WeightError if one is missing,
  /// mis-shaped or not finite. `config` has been checked.
  BEIT_COLD Trunk(TrunkConfig config, const WeightScope& weights, const Kernels& kernels)
      : kernels_(&kernels),
        config_(std::move(config)),
        cls_token_(weights.get("cls_token", {1, 1, config_.embed_dim})),
        patch_embed_(kernels, weights.scope("patch_embed"), config_.image_size, config_.patch_size, config_.in_chans,
                     config_.embed_dim) {
    if (config_.use_abs_pos_emb) pos_embed_ = weights.get("pos_embed", {1, config_.num_tokens(), config_.embed_dim});
    if (!config_.use_fc_norm && config_.use_final_norm) {
      norm_.emplace(kernels, weights.scope("norm"), config_.embed_dim, config_.layer_norm_eps);
    }
    for (Index i = 0; i < config_.depth; ++i) {
      const WeightScope block = weights.scope("blocks").scope(std::to_string(i));
      blocks_.emplace_back(kernels, block, block_options(), read_bias(weights, block));
    }
  }

  Trunk(const Trunk&) = delete;
  Trunk& operator=(const Trunk&) = delete;
  /// Moves the modules; the other trunk can't be run any more.
  Trunk(Trunk&&) = default;
  /// Moves the modules; the other trunk can't be run any more.
  Trunk& operator=(Trunk&&) = default;

  /// Its configuration.
  const TrunkConfig& config() const { return config_; }
  /// Its kernels.
  const Kernels& kernels() const { return *kernels_; }

  /// Throws ArgumentError unless x is (B, in_chans*H*W).
  void require_input(const ConstRows& x) const {
    require_shape(x, x.rows(), config_.in_chans * config_.image_size.area(), "forward: x");
  }

  /// Runs all steps: x (B, in_chans*H*W) -> out (B*N, C), the tokens after the last block and the norm.
  void forward(const ConstRows& x, Workspace& workspace, Rows out) const {
    embed(x, workspace, out);
    for (const Block<Weight>& block : blocks_) block.forward(x.rows(), workspace, out);
    norm(out, workspace, out);
  }

  /// Runs the first step, class token, patch embeddings and absolute positions: x (B, in_chans*H*W) -> tokens (B*N, C).
  void embed(const ConstRows& x, Workspace& workspace, Rows tokens) const {
    const Index count = config_.num_tokens(), dim = config_.embed_dim;
    require_input(x);
    require_shape(tokens, x.rows() * count, dim, "forward_features: out");
    workspace.executor().for_each(x.rows(), [&](Index b, Index) {
      for (Index i = 0; i < count; ++i) {
        float* token = tokens.data() + (b * count + i) * tokens.outerStride();
        for (Index c = 0; c < dim; ++c) {
          token[c] = (i == 0 ? cls_token_[c] : 0.0f) + (config_.use_abs_pos_emb ? pos_embed_[i * dim + c] : 0.0f);
        }
      }
    });
    patch_embed_.forward_residual(x, workspace, tokens);
  }
  /// The steps in between: each block changes tokens (B*N, C) in place.
  const std::list<Block<Weight>>& blocks() const { return blocks_; }
  /// Whether the model has a norm at the end of its trunk.
  bool has_norm() const { return norm_.has_value(); }
  /// Runs the last step, the norm: tokens (m, C) -> out (m, C), which may be the tokens. Copies if the model has no
  /// norm here.
  void norm(const ConstRows& tokens, Workspace& workspace, Rows out) const {
    if (norm_) {
      norm_->forward(tokens, workspace.executor(), out);
    } else if (tokens.data() != out.data()) {
      out = tokens;
    }
  }

  /// The vector (C,) that embed adds to token i for its position; empty if the model has no absolute positions.
  std::span<const float> position(Index token) const {
    const auto dim = static_cast<std::size_t>(config_.embed_dim);
    if (!config_.use_abs_pos_emb) return {};
    return {pos_embed_.data() + token * config_.embed_dim, dim};
  }

 private:
  typename Block<Weight>::Options block_options() const {
    return {.dim = config_.embed_dim,
            .heads = config_.num_heads,
            .hidden = config_.mlp_hidden,
            .qkv_bias = config_.qkv_bias,
            .layer_scale = config_.layer_scale,
            .scale_attn_norm = config_.scale_attn_norm,
            .scale_mlp_norm = config_.scale_mlp_norm,
            .eps = config_.layer_norm_eps};
  }

  RelativePositionBias read_bias(const WeightScope& weights, const WeightScope& block) const {
    if (!config_.use_rel_pos_bias && !config_.use_shared_rel_pos_bias) return {};
    RelativePositionBias bias(config_.grid());
    if (config_.use_rel_pos_bias) bias.add(block.scope("attn"), config_.num_heads);
    if (config_.use_shared_rel_pos_bias) bias.add(weights.scope("rel_pos_bias"), config_.num_heads);
    return bias;
  }

  const Kernels* kernels_;
  TrunkConfig config_;
  AlignedBuffer<float> cls_token_;  // (C,)
  AlignedBuffer<float> pos_embed_;  // (N, C), or empty
  PatchEmbed<typename WeightTraits<Weight>::BoundaryWeight> patch_embed_;
  std::list<Block<Weight>> blocks_;  // in a list, because blocks can't be moved
  std::optional<LayerNorm> norm_;
};

}  // namespace beit::inline BEIT_ABI
