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

/// BEiT, with its weights packed for this processor. It is constant: many threads may call it at the same time, each
/// with its own workspace. Results have the same bits for every batch size and number of threads.
///
/// Weight determines the precision in which matrices are stored and multiplied (see Precision): float, FloatFast,
/// Eigen::bfloat16 or std::int8_t.
///
/// Images are rows: x (B, in_chans*H*W) holds for each image its channels one after the other, as beit::preprocess
/// writes them and as a contiguous torch tensor (B, C, H, W) lies in memory. The calls that take a workspace and an
/// output allocate nothing once the workspace has seen the batch size. ArgumentError for a wrong shape.
template <typename Weight>
class Beit {
 public:
  /// Reads every parameter that `config` requires, under timm's names. `kernels` must outlive the model. WeightError if
  /// one is missing, mis-shaped or not finite; ConfigError if `config` describes no possible model.
  Beit(Config config, const WeightScope& weights, const Kernels& kernels = default_kernels());

  /// The configuration of the model.
  const Config& config() const { return config_; }
  /// The level of its kernels.
  Isa isa() const { return trunk_.kernels().isa; }
  /// The number of columns of forward's result: K, or C without a classifier.
  Index num_outputs() const { return config().num_classes > 0 ? config().num_classes : config().embed_dim; }

  /// Computes logits: x (B, in_chans*H*W) -> out (B, K), or (B, C) if num_classes is 0 or with pre_logits, as
  /// forward_head does.
  void forward(const ConstRows& x, Workspace& workspace, Rows out, bool pre_logits = false) const;
  /// Returns the logits (B, num_outputs()), computed in a workspace of its own.
  Matrix forward(const ConstRows& x) const;

  /// Computes the tokens after the last block, and after `norm` if the model has it: x -> out (B*N, C), image by image,
  /// the class token first.
  void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const;
  /// Returns the tokens (B*N, C), computed in a workspace of its own.
  Matrix forward_features(const ConstRows& x) const;

  /// Applies pooling, `fc_norm` and, unless pre_logits, the classifier: tokens (B*N, C) -> out (B, K) or (B, C).
  void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out, bool pre_logits = false) const;
  /// Returns (B, K) or (B, C), computed in a workspace of its own.
  Matrix forward_head(const ConstRows& tokens, bool pre_logits = false) const;

  /// Computes the features and the tokens after chosen blocks. ArgumentError if an index names no block.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options = {}) const;
  /// Computes the features and the tokens in the memory of `workspace`.
  Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                      Workspace& workspace) const;
  /// Writes to the caller's memory: `features` (B*N, C); `intermediates` and, if the options ask for them,
  /// `prefix_tokens`, with one matrix per chosen block, shaped as in Intermediates. Rows may lie apart, as columns of a
  /// larger matrix do. ArgumentError if one has another shape or is missing.
  void forward_intermediates(const ConstRows& x, const IntermediatesOptions& options, Workspace& workspace,
                             Rows features, std::span<Rows> intermediates, std::span<Rows> prefix_tokens = {}) const;

  /// Computes the attention weights softmax(q k^T / sqrt(D) + R) of chosen blocks: one entry per block, in the order of
  /// the blocks, each (B*A*N, N). Row (b*A + head)*N + query holds the query's weight of each token, the class token
  /// first; its sum is 1. `indices` count blocks from 0, or from the end if negative; empty: all. The weights are
  /// computed beside the forward pass from the same q and k. ArgumentError if an index names no block.
  std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices = {}) const;
  /// Computes the attention weights in the memory of `workspace`.
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
