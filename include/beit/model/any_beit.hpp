// A model of any weight type: the calls of timm.models.beit.Beit.
#pragma once

#include <span>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/model/config.hpp>
#include <beit/model/intermediates.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The result of a forward pass.
enum class HeadOutput {
  logits,      ///< The classifier's result; the pooled features where the model has no classifier.
  pre_logits,  ///< The pooled features, on which the classifier stands: timm's pre_logits=True.
};

/// A Beit of any weight type, with all its calls. It is constant: many threads may call it at the same time, each with
/// a workspace of its own. Results are the same to the bit for every batch size and number of threads.
///
/// Images are rows: x (B, in_chans*H*W) holds for each image its channels one after the other, as
/// beit::preprocess writes them and as a contiguous torch tensor (B, C, H, W) lies in memory.
/// Calls without a workspace run on the model's executor, in memory that they allocate; the calls that take a workspace
/// and an output allocate nothing once the workspace has seen the batch size. ArgumentError where a shape is wrong.
class AnyBeit {
 public:
  AnyBeit(const AnyBeit&) = delete;
  AnyBeit& operator=(const AnyBeit&) = delete;
  virtual ~AnyBeit() = default;

  /// The model's configuration.
  [[nodiscard]] const Config& config() const { return config_; }
  /// The precision in which its matrices are stored and multiplied.
  [[nodiscard]] Precision precision() const { return precision_; }
  /// The level of the kernels that it runs on.
  [[nodiscard]] Isa isa() const { return trunk().kernels().isa; }
  /// The threads that calls without a workspace run on.
  [[nodiscard]] const Executor& executor() const { return executor_; }
  /// Columns of forward's result: K or, without a classifier or for pre_logits, C.
  [[nodiscard]] Index num_outputs(HeadOutput output = HeadOutput::logits) const {
    return output == HeadOutput::logits && config_.num_classes > 0 ? config_.num_classes : config_.embed_dim;
  }

  /// Computes logits or pooled features: x (B, in_chans*H*W) -> out (B, num_outputs(output)).
  BEIT_INLINE void forward(const ConstRows& x, Workspace& workspace, Rows out,
                           HeadOutput output = HeadOutput::logits) const;
  /// Likewise, without a workspace.
  [[nodiscard]] BEIT_INLINE Matrix forward(const ConstRows& x, HeadOutput output = HeadOutput::logits) const;

  /// Computes the tokens after the last block, and after `norm` where the model has it: x -> out (B*N, C), image by
  /// image, the class token first.
  BEIT_INLINE void forward_features(const ConstRows& x, Workspace& workspace, Rows out) const;
  /// Likewise, without a workspace.
  [[nodiscard]] BEIT_INLINE Matrix forward_features(const ConstRows& x) const;

  /// Pools tokens, applies `fc_norm` and, for logits, the classifier: tokens (B*N, C) -> out (B, num_outputs(output)).
  BEIT_INLINE void forward_head(const ConstRows& tokens, Workspace& workspace, Rows out,
                                HeadOutput output = HeadOutput::logits) const;
  /// Likewise, without a workspace.
  [[nodiscard]] BEIT_INLINE Matrix forward_head(const ConstRows& tokens, HeadOutput output = HeadOutput::logits) const;

  /// Computes the features and the tokens after chosen blocks. ArgumentError if an index names no block.
  [[nodiscard]] BEIT_INLINE Intermediates forward_intermediates(const ConstRows& x,
                                                                const IntermediatesOptions& options = {}) const;
  /// Computes the features and the tokens with `workspace`.
  [[nodiscard]] BEIT_INLINE Intermediates forward_intermediates(const ConstRows& x, const IntermediatesOptions& options,
                                                                Workspace& workspace) const;
  /// Writes to the caller's memory: `features` (B*N, C); `intermediates` and, if the options ask for them,
  /// `prefix_tokens`, with one matrix per chosen block, shaped as in Intermediates. Rows may lie apart, as columns of a
  /// larger matrix do. ArgumentError if one has another shape or is missing.
  BEIT_INLINE void forward_intermediates(const ConstRows& x, const IntermediatesOptions& options, Workspace& workspace,
                                         Rows features, std::span<Rows> intermediates,
                                         std::span<Rows> prefix_tokens = {}) const;

  /// Computes the attention weights softmax(q k^T / sqrt(D) + R) of chosen blocks: one entry per block, in the order of
  /// the blocks, each (B*A*N, N). Row (b*A + head)*N + query holds the query's weight of each token, the class token
  /// first; its sum is 1. `indices` count blocks from 0, or from the end if negative; empty: all. The weights are
  /// computed beside the forward pass from the same q and k. ArgumentError if an index names no block.
  [[nodiscard]] BEIT_INLINE std::vector<Matrix> forward_attention(const ConstRows& x,
                                                                  const std::vector<Index>& indices = {}) const;
  /// Computes the attention weights with `workspace`.
  [[nodiscard]] BEIT_INLINE std::vector<Matrix> forward_attention(const ConstRows& x, const std::vector<Index>& indices,
                                                                  Workspace& workspace) const;

 protected:
  /// For the class template that derives from this.
  BEIT_INLINE AnyBeit(Config config, Precision precision, const Executor& executor);
  /// Moves the base of a model.
  AnyBeit(AnyBeit&&) = default;
  /// Moves the base of a model.
  AnyBeit& operator=(AnyBeit&&) = default;

 private:
  [[nodiscard]] virtual const AnyTrunk& trunk() const = 0;
  /// forward_head once shapes have been checked, of at least one image.
  virtual void run_head(const ConstRows& tokens, Workspace& workspace, Rows out, HeadOutput output) const = 0;

  Config config_;
  Precision precision_;
  Executor executor_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/any_beit_impl.hpp>
#endif
