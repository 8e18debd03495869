// The definitions of the masked-image model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/masked_image_model.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

BEIT_COLD BEIT_INLINE AnyMaskedImageModel::AnyMaskedImageModel(MaskedImageConfig config, const WeightScope& weights,
                                                               const Kernels& kernels, Precision precision)
    : config_(detail::checked(std::move(config))),
      precision_(precision),
      executor_(weights.executor()),
      mask_token_(weights.get("mask_token", {1, 1, config_.embed_dim})) {
  if (weights.has("lm_norm.weight")) {
    norm_.emplace(kernels, weights.scope("lm_norm"), config_.embed_dim, config_.layer_norm_eps);
  }
}

BEIT_INLINE void AnyMaskedImageModel::forward(const ConstRows& x, std::span<const std::uint8_t> mask,
                                              Workspace& workspace, Rows out) const {
  trunk().require_input(x);
  require_shape(out, x.rows() * config_.grid().area(), config_.vocab_size, "MaskedImageModel: out");
  Workspace::Frame frame(workspace);
  Rows tokens = frame.rows(x.rows() * config_.num_tokens(), config_.embed_dim);
  forward_features(x, mask, workspace, tokens);
  if (norm_) norm_->forward(tokens, workspace.executor(), tokens);
  run_head(tokens, workspace, out);
}

BEIT_INLINE Matrix AnyMaskedImageModel::forward(const ConstRows& x, std::span<const std::uint8_t> mask) const {
  Workspace workspace(executor_);
  Matrix out(x.rows() * config_.grid().area(), config_.vocab_size);
  forward(x, mask, workspace, out);
  return out;
}

BEIT_INLINE void AnyMaskedImageModel::forward_features(const ConstRows& x, std::span<const std::uint8_t> mask,
                                                       Workspace& workspace, Rows out) const {
  const Index wanted = x.rows() * config_.grid().area();
  if (static_cast<Index>(mask.size()) != wanted) {
    throw ArgumentError(
        detail::concat({"MaskedImageModel: found a mask of ", mask.size(), " patches, wanted ", wanted}));
  }
  trunk().embed(x, config_.depth, workspace, out);
  replace_masked(mask, workspace, out);
  for (Index i = 0; i < config_.depth; ++i) {
    trunk().forward_block(i, config_.depth, x.rows(), workspace, out);
  }
  trunk().norm(out, workspace, out);
}

BEIT_INLINE Matrix AnyMaskedImageModel::forward_features(const ConstRows& x, std::span<const std::uint8_t> mask) const {
  trunk().require_input(x);
  Workspace workspace(executor_);
  Matrix out(x.rows() * config_.num_tokens(), config_.embed_dim);
  forward_features(x, mask, workspace, out);
  return out;
}

BEIT_INLINE void AnyMaskedImageModel::replace_masked(std::span<const std::uint8_t> mask, Workspace& workspace,
                                                     Rows tokens) const {
  const Index patches = config_.grid().area(), dim = config_.embed_dim;
  workspace.executor().for_each(tokens.rows() / (1 + patches), [&](Index b, Index) {
    for (Index i = 0; i < patches; ++i) {
      if (mask[static_cast<std::size_t>(b * patches + i)] == 0) continue;
      const std::span<const float> position = trunk().position(1 + i);
      float* const token = tokens.data() + (b * (1 + patches) + 1 + i) * tokens.outerStride();
      for (Index c = 0; c < dim; ++c) {
        token[c] = mask_token_[c] + (position.empty() ? 0.0f : position[static_cast<std::size_t>(c)]);
      }
    }
  });
}

template <typename Weight>
MaskedImageModel<Weight>::MaskedImageModel(MaskedImageConfig config, const WeightScope& weights, const Kernels& kernels)
    : AnyMaskedImageModel(std::move(config), weights, kernels, WeightTraits<Weight>::precision),
      trunk_(this->config(), weights, kernels),
      head_(kernels, weights.scope("lm_head"), this->config().vocab_size, this->config().embed_dim) {}

template <typename Weight>
void MaskedImageModel<Weight>::run_head(const ConstRows& tokens, Workspace& workspace, Rows out) const {
  const Index count = config().num_tokens(), dim = config().embed_dim;
  Workspace::Frame frame(workspace);
  const Activations of_patches = head_.input(frame, tokens.rows() / count, count - 1);
  workspace.executor().for_each(of_patches.tiles(), [&](Index t, Index) {
    const Activations::RowTile tile = of_patches.tile(t);
    of_patches.write(tile, tokens.data() + (tile.segment * count + 1 + tile.row) * dim, dim);
  });
  head_.forward(of_patches, workspace, out);
}

}  // namespace beit::inline BEIT_ABI
