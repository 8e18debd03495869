// The model of BEiT's pre-training, which names the visual tokens of hidden patches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The configuration of a MaskedImageModel: a trunk and a classifier of visual tokens.
struct MaskedImageConfig : TrunkConfig {
  Index vocab_size = 8192;  ///< V: visual tokens that are told apart.

  /// Throws ConfigError unless a model can be made of this.
  BEIT_COLD void check() const {
    TrunkConfig::check();
    if (vocab_size >= 1) return;
    throw ConfigError(detail::concat({"config: found vocab_size ", vocab_size, ", wanted at least 1"}));
  }
};

/// A MaskedImageModel of any weight type, with all its calls. It is constant: many threads may call it at the same
/// time, each with a workspace of its own. Results are the same to the bit for every batch size and number of threads.
///
/// AnyBeit says what x is and where calls run. Masks are bytes (B*patches,), image by image and row by row, not 0 where
/// a patch is hidden: see block_mask. ArgumentError where a shape is wrong.
class AnyMaskedImageModel {
 public:
  AnyMaskedImageModel(const AnyMaskedImageModel&) = delete;
  AnyMaskedImageModel& operator=(const AnyMaskedImageModel&) = delete;
  virtual ~AnyMaskedImageModel() = default;

  /// The model's configuration.
  [[nodiscard]] const MaskedImageConfig& config() const { return config_; }
  /// The precision in which its matrices are stored and multiplied.
  [[nodiscard]] Precision precision() const { return precision_; }
  /// The level of the kernels that it runs on.
  [[nodiscard]] Isa isa() const { return trunk().kernels().isa; }
  /// The threads that calls without a workspace run on.
  [[nodiscard]] const Executor& executor() const { return executor_; }

  /// Computes logits of visual tokens: x (B, in_chans*H*W), mask (B*patches,) -> out (B*patches, V).
  BEIT_INLINE void forward(const ConstRows& x, std::span<const std::uint8_t> mask, Workspace& workspace,
                           Rows out) const;
  /// Likewise, without a workspace.
  [[nodiscard]] BEIT_INLINE Matrix forward(const ConstRows& x, std::span<const std::uint8_t> mask) const;

  /// Computes the tokens after the last block, and after the trunk's norm where it has one: x, mask -> out (B*N, C),
  /// image by image, the class token first.
  ///
  /// In BeitForMaskedImageModeling with mean pooling the only norm is the head's, which is Microsoft's `norm` of the
  /// trunk: it is the trunk's here, so that the same weights have the same features under either's names. Without a
  /// mask they are those of load with LoadOptions::features_only. transformers' own last_hidden_state, before that
  /// norm, is the last of forward_intermediates without `norm`.
  BEIT_INLINE void forward_features(const ConstRows& x, std::span<const std::uint8_t> mask, Workspace& workspace,
                                    Rows out) const;
  /// Likewise, without a workspace.
  [[nodiscard]] BEIT_INLINE Matrix forward_features(const ConstRows& x, std::span<const std::uint8_t> mask) const;

 protected:
  /// For the class template that derives from this.
  BEIT_INLINE AnyMaskedImageModel(MaskedImageConfig config, const WeightScope& weights, const Kernels& kernels,
                                  Precision precision);
  /// Moves the base of a model.
  AnyMaskedImageModel(AnyMaskedImageModel&&) = default;
  /// Moves the base of a model.
  AnyMaskedImageModel& operator=(AnyMaskedImageModel&&) = default;

 private:
  [[nodiscard]] virtual const AnyTrunk& trunk() const = 0;
  /// The classifier: tokens (B*N, C) -> out (B*patches, V).
  virtual void run_head(const ConstRows& tokens, Workspace& workspace, Rows out) const = 0;

  /// Replaces the embeddings of hidden patches by the mask token; positions stay: tokens (B*N, C).
  void replace_masked(std::span<const std::uint8_t> mask, Workspace& workspace, Rows tokens) const;

  MaskedImageConfig config_;
  Precision precision_;
  Executor executor_;
  AlignedBuffer<float> mask_token_;  // (C,)
  std::optional<LayerNorm> norm_;    // the head's own
};

/// transformers' BeitForMaskedImageModeling, Microsoft's VisionTransformerForMaskedImageModeling: BEiT (section 2.3)
/// with a mask token in the place of hidden patches, and a softmax classifier of visual tokens over each patch.
/// AnyMaskedImageModel has its calls; Weight is as in Beit. It can be moved, not copied.
template <typename Weight>
class MaskedImageModel final : public AnyMaskedImageModel {
 public:
  /// Reads every parameter that `config` calls for under timm's names, and "mask_token" and "lm_head"; "lm_norm", a
  /// second norm before the head, where it is there. The executor of `weights` is the model's; its pool and `kernels`
  /// must outlive the model.
  /// WeightError where one is missing, mis-shaped or not finite; ConfigError where `config` makes no such model.
  MaskedImageModel(MaskedImageConfig config, const WeightScope& weights, const Kernels& kernels = default_kernels());

 private:
  const AnyTrunk& trunk() const override { return trunk_; }
  void run_head(const ConstRows& tokens, Workspace& workspace, Rows out) const override;

  Trunk<Weight> trunk_;
  Linear<typename WeightTraits<Weight>::BoundaryWeight> head_;  // (V, C)
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/masked_image_model_impl.hpp>
#endif
