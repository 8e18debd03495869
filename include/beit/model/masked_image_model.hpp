// The model of BEiT's pre-training, which predicts the visual tokens of hidden patches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/block.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The configuration of a MaskedImageModel: a trunk and a classifier of visual tokens.
struct MaskedImageConfig : TrunkConfig {
  Index vocab_size = 8192;  ///< V, the number of visual tokens.

  /// Throws ConfigError unless this describes a possible model.
  BEIT_COLD void check() const {
    TrunkConfig::check();
    if (vocab_size < 1)
      throw ConfigError(detail::concat({"config: found vocab_size ", vocab_size, ", wanted at least 1"}));
  }
};

/// transformers' BeitForMaskedImageModeling, Microsoft's VisionTransformerForMaskedImageModeling: BEiT (section 2.3)
/// with a mask token in place of each hidden patch, and a softmax classifier of visual tokens on each patch. It is
/// constant, like Beit, which documents Weight and x. Results have the same bits for every batch size and number of
/// threads; the calls that take a workspace and an output allocate nothing once it has seen the batch size.
///
/// Masks are bytes (B*patches,), image by image and row by row, not 0 for hidden patches: see block_mask.
template <typename Weight>
class MaskedImageModel {
 public:
  /// Reads every parameter that `config` requires, under timm's names, "mask_token", "lm_head" and, if it exists,
  /// "lm_norm", a second norm before the head. `kernels` must outlive the model. WeightError if one is missing,
  /// mis-shaped or not finite; ConfigError if `config` describes no such model.
  MaskedImageModel(MaskedImageConfig config, const WeightScope& weights, const Kernels& kernels = default_kernels())
      : config_(detail::checked(std::move(config))),
        trunk_(config_, weights, kernels),
        mask_token_(weights.get("mask_token", {1, 1, config_.embed_dim})),
        head_(kernels, weights.scope("lm_head"), config_.vocab_size, config_.embed_dim) {
    if (weights.has("lm_norm.weight")) {
      norm_.emplace(kernels, weights.scope("lm_norm"), config_.embed_dim, config_.layer_norm_eps);
    }
  }

  /// Its configuration.
  const MaskedImageConfig& config() const { return config_; }
  /// The level of its kernels.
  Isa isa() const { return trunk_.kernels().isa; }

  /// Computes logits of visual tokens: x (B, in_chans*H*W), mask (B*patches,) -> out (B*patches, V). ArgumentError for
  /// a wrong shape.
  void forward(const ConstRows& x, std::span<const std::uint8_t> mask, Workspace& workspace, Rows out) const {
    const Index patches = config().grid().area(), dim = config().embed_dim;
    trunk_.require_input(x);
    require_shape(out, x.rows() * patches, config().vocab_size, "MaskedImageModel: out");
    Workspace::Frame frame(workspace);
    Rows tokens = frame.rows(x.rows() * (1 + patches), dim);
    forward_features(x, mask, workspace, tokens);
    if (norm_) norm_->forward(tokens, workspace.executor(), tokens);
    const Activations of_patches = head_.input(frame, x.rows(), patches);
    workspace.executor().for_each(of_patches.tiles(), [&](Index t, Index) {
      const Activations::RowTile tile = of_patches.tile(t);
      of_patches.write(tile, tokens.data() + (tile.segment * (1 + patches) + 1 + tile.row) * dim, dim);
    });
    head_.forward(of_patches, workspace, out);
  }
  /// Returns the logits (B*patches, V), computed in a workspace of its own.
  Matrix forward(const ConstRows& x, std::span<const std::uint8_t> mask) const {
    Workspace workspace;
    Matrix out(x.rows() * config().grid().area(), config().vocab_size);
    forward(x, mask, workspace, out);
    return out;
  }

  /// Computes the tokens after the last block, and after the trunk's norm if it has one: x, mask -> out (B*N, C), image
  /// by image, the class token first.
  void forward_features(const ConstRows& x, std::span<const std::uint8_t> mask, Workspace& workspace, Rows out) const {
    const Index wanted = x.rows() * config().grid().area();
    if (static_cast<Index>(mask.size()) != wanted) {
      throw ArgumentError(
          detail::concat({"MaskedImageModel: found a mask of ", mask.size(), " patches, wanted ", wanted}));
    }
    trunk_.embed(x, workspace, out);
    replace_masked(mask, workspace, out);
    for (const Block<Weight>& block : trunk_.blocks()) block.forward(x.rows(), workspace, out);
    trunk_.norm(out, workspace, out);
  }
  /// Returns the tokens (B*N, C), computed in a workspace of its own.
  Matrix forward_features(const ConstRows& x, std::span<const std::uint8_t> mask) const {
    trunk_.require_input(x);
    Workspace workspace;
    Matrix out(x.rows() * config().num_tokens(), config().embed_dim);
    forward_features(x, mask, workspace, out);
    return out;
  }

 private:
  /// Replaces the embeddings of hidden patches by the mask token; positions stay: tokens (B*N, C).
  void replace_masked(std::span<const std::uint8_t> mask, Workspace& workspace, Rows tokens) const {
    const Index patches = config().grid().area(), dim = config().embed_dim;
    workspace.executor().for_each(tokens.rows() / (1 + patches), [&](Index b, Index) {
      for (Index i = 0; i < patches; ++i) {
        if (mask[static_cast<std::size_t>(b * patches + i)] == 0) continue;
        const std::span<const float> position = trunk_.position(1 + i);
        float* const token = tokens.data() + (b * (1 + patches) + 1 + i) * tokens.outerStride();
        for (Index c = 0; c < dim; ++c) {
          token[c] = mask_token_[c] + (position.empty() ? 0.0f : position[static_cast<std::size_t>(c)]);
        }
      }
    });
  }

  MaskedImageConfig config_;
  Trunk<Weight> trunk_;
  AlignedBuffer<float> mask_token_;  // (C,)
  std::optional<LayerNorm> norm_;
  Linear<typename WeightTraits<Weight>::BoundaryWeight> head_;  // (V, C)
};

}  // namespace beit::inline BEIT_ABI
