// The trunk, on which all of BEiT's heads stand: timm.models.beit.Beit without its classifier.
#pragma once

#include <deque>
#include <optional>
#include <span>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/block.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/patch_embed.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A Trunk of any weight type: patch embedding, class token, positions, blocks and, where the model has it, the final
/// norm. It is constant, and can be moved by its own type, not copied.
class AnyTrunk {
 public:
  AnyTrunk(const AnyTrunk&) = delete;
  AnyTrunk& operator=(const AnyTrunk&) = delete;
  virtual ~AnyTrunk() = default;

  /// Its configuration.
  [[nodiscard]] const TrunkConfig& config() const { return config_; }
  /// The kernels that it runs on.
  [[nodiscard]] const Kernels& kernels() const { return *kernels_; }

  /// ArgumentError unless x is (B, in_chans*H*W).
  BEIT_INLINE void require_input(const ConstRows& x) const;

  /// All steps: x (B, in_chans*H*W) -> out (B*N, C), the tokens after the last block and the norm.
  BEIT_INLINE void forward(const ConstRows& x, Workspace& workspace, Rows out) const;
  /// The first step: class token, patch embeddings and absolute positions, x (B, in_chans*H*W) -> tokens (B*N, C).
  /// `blocks` is the number of blocks that the call will compute, for its progress.
  BEIT_INLINE void embed(const ConstRows& x, Index blocks, Workspace& workspace, Rows tokens) const;
  /// The steps between: block `i` of `blocks`, as for embed, changes the tokens (B*N, C) of `batch` images in place.
  BEIT_INLINE void forward_block(Index i, Index blocks, Index batch, Workspace& workspace, Rows tokens) const;
  /// The last step: tokens (m, C) -> out (m, C), which may be the tokens; a copy where the model has no norm here.
  BEIT_INLINE void norm(const ConstRows& tokens, Workspace& workspace, Rows out) const;
  /// Whether the model has a norm at the end of its trunk.
  [[nodiscard]] bool has_norm() const { return norm_.has_value(); }

  /// The attention weights of block `i`: tokens (B*N, C), as the block reads them -> out (B*A*N, N).
  virtual void block_attention(Index i, Index batch, const ConstRows& tokens, Workspace& workspace, Rows out) const = 0;
  /// The numbers that embed adds to token i for its position, (C,); empty where the model has no absolute positions.
  [[nodiscard]] BEIT_INLINE std::span<const float> position(Index token) const;

 protected:
  /// For the class template that derives from this.
  BEIT_INLINE AnyTrunk(TrunkConfig config, const WeightScope& weights, const Kernels& kernels);
  /// Moves the base of a model.
  AnyTrunk(AnyTrunk&&) = default;
  /// Moves the base of a model.
  AnyTrunk& operator=(AnyTrunk&&) = default;

 private:
  /// Adds the embeddings of patches to the tokens (B*N, C) but each image's first one.
  virtual void add_patches(const ConstRows& x, Workspace& workspace, Rows tokens) const = 0;
  /// Computes forward_block.
  virtual void run_block(Index i, Index batch, Workspace& workspace, Rows tokens) const = 0;

  const Kernels* kernels_;
  TrunkConfig config_;
  AlignedBuffer<float> cls_token_;  // (C,)
  AlignedBuffer<float> pos_embed_;  // (N, C), or empty
  std::optional<LayerNorm> norm_;
};

/// A trunk whose matrices are stored and multiplied in Weight.
template <typename Weight>
class Trunk final : public AnyTrunk {
 public:
  /// Reads its parameters under timm's names; "norm" as the configuration says, which has been checked. `kernels` must
  /// outlive it. WeightError where a parameter is missing, mis-shaped or not finite.
  Trunk(TrunkConfig config, const WeightScope& weights, const Kernels& kernels);

  void block_attention(Index i, Index batch, const ConstRows& tokens, Workspace& workspace, Rows out) const override;

 private:
  void add_patches(const ConstRows& x, Workspace& workspace, Rows tokens) const override;
  void run_block(Index i, Index batch, Workspace& workspace, Rows tokens) const override;

  PatchEmbed<typename WeightTraits<Weight>::BoundaryWeight> patch_embed_;
  std::deque<Block<Weight>> blocks_;  // made where they stay
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/trunk_impl.hpp>
#endif
