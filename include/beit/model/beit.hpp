// The model: timm.models.beit.Beit.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/model/intermediates.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/head.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// BEiT, its weights packed for this processor. Constant once made: many threads may call it at the same
/// time, each with a workspace of its own. Results are the same bits for every batch size and thread count.
///
/// Weight says what the matrices are stored and multiplied in (see Precision): float, FloatFast, Eigen::bfloat16 or
/// std::int8_t.
///
/// Images are rows: x (B, in_chans*H*W) holds for each image its channels one after the other, as
/// beit::preprocess writes them and as a contiguous torch tensor (B, C, H, W) lies in memory.
/// The calls that take a workspace and an output allocate nothing once the workspace has seen the batch size.
/// ArgumentError where a shape is wrong.
template <typename Weight>
class Beit {
 public:
  /// Reads every parameter that `config` calls for under timm's names. `kernels` must outlive the model.
  /// WeightError where one is missing, mis-shaped or not finite; ConfigError where `config` makes no model.
  Beit(Config config, const WeightScope& weights, const Kernels& kernels = default_kernels());

  /// What the model is made from.
  const Config& config() const { return config_; }
  /// The level of the kernels that it runs on.
  Isa isa() const { return trunk_.kernels().isa; }
  /// Columns of forward's result: K, or C without a classifier.
  Index num_outputs() const { return config().num_classes > 0 ? config().num_classes : config().embed_dim; }

  /// Logits: x (B, in_chans*H*W) -> out (B, K), or (B, C) where num_classes is 0 or with pre_logits, as forward_head.
  void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits = false) const;
  /// The same, in memory of its own.
  Matrix forward(const ConstRows& x) const;

  /// Tokens after the last block, and after `norm` where the model has it: x -> out (B*N, C), image by image,
  /// the class token first.
  void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const;
  /// The same, in memory of its own.
  Matrix forward_features(const ConstRows& x) const;

  /// Pooling, `fc_norm` and, unless pre_logits, the classifier: tokens (B*N, C) -> out (B, K) or (B, C).
  void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits = false) const;
  /// The same, in memory of its own.
  Matrix forward_head(const ConstRows& tokens, bool pre_logits = false) const;

  /// The tokens after chosen blocks, besides the features. ArgumentError where an index names no block.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options = {}) const;
  /// The same, in the memory of `workspace`.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                      Workspace& workspace) const;
  /// The same, with results in memory of the caller's: `features` (B*N, C); in `intermediates`, and in `prefix_tokens`
  /// if the options ask for them, one matrix per chosen block, shaped as in Intermediates. Rows may lie apart, as
  /// columns of a larger matrix do. ArgumentError where one is of another shape, or missing.
  void forward_intermediates(const ConstRows& x, const IntermediatesOptions& options, Workspace& workspace,
                             Rows features, std::span<Rows> intermediates, std::span<Rows> prefix_tokens = {}) const;

  /// The attention weights of chosen blocks, softmax(q k^T / sqrt(D) + R): an entry a block, in the order of the
  /// blocks, each (B*A*N, N): row (b*A + head)*N + query holds what the query takes of each token, the class token
  /// first; its sum is 1. Blocks from 0, a negative index counts from the end; none chosen: all. Made beside the
  /// forward pass, of the same q and k. ArgumentError where an index names no block.
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices = {}) const;
  /// The same, in the memory of `workspace`.
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                        Workspace& workspace) const;

 private:
  Config config_;
  Trunk<Weight> trunk_;
  Head<typename WeightTraits<Weight>::BoundaryWeight> head_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/beit_impl.hpp>
#endif
