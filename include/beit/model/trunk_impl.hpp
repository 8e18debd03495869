// The trunk's definitions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

BEIT_COLD BEIT_INLINE AnyTrunk::AnyTrunk(TrunkConfig config, const WeightScope& weights, const Kernels& kernels)
    : kernels_(&kernels), config_(std::move(config)), cls_token_(weights.get("cls_token", {1, 1, config_.embed_dim})) {
  if (config_.use_abs_pos_emb) pos_embed_ = weights.get("pos_embed", {1, config_.num_tokens(), config_.embed_dim});
  if (!config_.use_fc_norm && config_.use_final_norm) {
    norm_.emplace(kernels, weights.scope("norm"), config_.embed_dim, config_.layer_norm_eps);
  }
}

BEIT_INLINE void AnyTrunk::require_input(const ConstRows& x) const {
  require_shape(x, x.rows(), config_.in_chans * config_.image_size.area(), "forward: x");
}

BEIT_INLINE void AnyTrunk::forward(const ConstRows& x, Workspace& workspace, Rows out) const {
  embed(x, config_.depth, workspace, out);
  for (Index i = 0; i < config_.depth; ++i) forward_block(i, config_.depth, x.rows(), workspace, out);
  norm(out, workspace, out);
}

BEIT_INLINE void AnyTrunk::embed(const ConstRows& x, Index blocks, Workspace& workspace, Rows tokens) const {
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
  add_patches(x, workspace, tokens);
  workspace.report("block", 0, blocks);
}

BEIT_INLINE void AnyTrunk::forward_block(Index i, Index blocks, Index batch, Workspace& workspace, Rows tokens) const {
  run_block(i, batch, workspace, tokens);
  workspace.report("block", i + 1, blocks);
}

BEIT_INLINE void AnyTrunk::norm(const ConstRows& tokens, Workspace& workspace, Rows out) const {
  if (norm_) {
    norm_->forward(tokens, workspace.executor(), out);
  } else if (tokens.data() != out.data()) {
    out = tokens;
  }
}

BEIT_INLINE std::span<const float> AnyTrunk::position(Index token) const {
  if (!config_.use_abs_pos_emb) return {};
  return {pos_embed_.data() + token * config_.embed_dim, static_cast<std::size_t>(config_.embed_dim)};
}

namespace detail {

/// The tables of relative positions of a block; none where the model has none.
BEIT_COLD inline RelativePositionBias read_bias(const TrunkConfig& config, const WeightScope& weights,
                                                const WeightScope& block) {
  if (!config.use_rel_pos_bias && !config.use_shared_rel_pos_bias) return {};
  RelativePositionBias bias(config.grid());
  if (config.use_rel_pos_bias) bias.add(block.scope("attn"), config.num_heads);
  if (config.use_shared_rel_pos_bias) bias.add(weights.scope("rel_pos_bias"), config.num_heads);
  return bias;
}

}  // namespace detail

template <typename Weight>
BEIT_COLD Trunk<Weight>::Trunk(TrunkConfig given, const WeightScope& weights, const Kernels& kernels)
    : AnyTrunk(std::move(given), weights, kernels),
      patch_embed_(kernels, weights.scope("patch_embed"), config().image_size, config().patch_size, config().in_chans,
                   config().embed_dim) {
  const TrunkConfig& config = this->config();
  const typename Block<Weight>::Options options{.dim = config.embed_dim,
                                                .heads = config.num_heads,
                                                .hidden = config.mlp_hidden,
                                                .qkv_bias = config.qkv_bias,
                                                .layer_scale = config.layer_scale,
                                                .scale_attn_norm = config.scale_attn_norm,
                                                .scale_mlp_norm = config.scale_mlp_norm,
                                                .eps = config.layer_norm_eps};
  for (Index i = 0; i < config.depth; ++i) {
    const WeightScope block = weights.scope("blocks").scope(std::to_string(i));
    blocks_.emplace_back(kernels, block, options, detail::read_bias(config, weights, block));
  }
}

template <typename Weight>
void Trunk<Weight>::run_block(Index i, Index batch, Workspace& workspace, Rows tokens) const {
  blocks_[static_cast<std::size_t>(i)].forward(batch, workspace, tokens);
}

template <typename Weight>
void Trunk<Weight>::block_attention(Index i, Index batch, const ConstRows& tokens, Workspace& workspace,
                                    Rows out) const {
  blocks_[static_cast<std::size_t>(i)].forward_attention(tokens, batch, workspace, out);
}

template <typename Weight>
void Trunk<Weight>::add_patches(const ConstRows& x, Workspace& workspace, Rows tokens) const {
  patch_embed_.forward_residual(x, workspace, tokens);
}

}  // namespace beit::inline BEIT_ABI
