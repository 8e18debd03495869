// Semantic segmentation: a class for each pixel.
#pragma once

#include <array>

#include <beit/core/compiled.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/segmentation_config.hpp>
#include <beit/model/trunk.hpp>
#include <beit/nn/uper_net.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A SegmentationModel of any weight type, with all its calls. It is constant: many threads may call it at the same
/// time, each with a workspace of its own. Results are the same to the bit for every batch size and number of threads.
/// segment() in segment.hpp goes from an image to its labels.
class AnySegmentationModel {
 public:
  AnySegmentationModel(const AnySegmentationModel&) = delete;
  AnySegmentationModel& operator=(const AnySegmentationModel&) = delete;
  virtual ~AnySegmentationModel() = default;

  /// The model's configuration.
  [[nodiscard]] const SegmentationConfig& config() const { return config_; }
  /// The precision in which its matrices are stored and multiplied.
  [[nodiscard]] Precision precision() const { return precision_; }
  /// The level of the kernels that it runs on.
  [[nodiscard]] Isa isa() const { return trunk().kernels().isa; }
  /// The threads that calls without a workspace run on.
  [[nodiscard]] const Executor& executor() const { return executor_; }

  /// Computes logits: x (B, in_chans*H*W), as AnyBeit says -> out (B*h*w, K), image by image and row by row, where
  /// (h, w) = config().logits_size(). The head reads the blocks of `rule`. ArgumentError where a shape is wrong, or
  /// where the rule wants more blocks than the model has.
  BEIT_INLINE void forward(const ConstRows& x, SegmentationRule rule, Workspace& workspace, Rows out) const;
  /// Computes logits by the model's own rule, config().rule.
  void forward(const ConstRows& x, Workspace& workspace, Rows out) const { forward(x, config_.rule, workspace, out); }
  /// Does so without a workspace, on the model's executor.
  [[nodiscard]] BEIT_INLINE Matrix forward(const ConstRows& x) const;

 protected:
  /// For the class template that derives from this.
  BEIT_INLINE AnySegmentationModel(SegmentationConfig config, const WeightScope& weights, Precision precision);
  /// Moves the base of a model.
  AnySegmentationModel(AnySegmentationModel&&) = default;
  /// Moves the base of a model.
  AnySegmentationModel& operator=(AnySegmentationModel&&) = default;

  /// Writes the tokens of the grid after four numbers of blocks, ascending, one below the other: x (1, in_chans*H*W) ->
  /// out (4*Gh*Gw, C).
  BEIT_INLINE void write_maps(const ConstRows& x, const std::array<Index, 4>& blocks, Workspace& workspace,
                              Rows out) const;

 private:
  [[nodiscard]] virtual const AnyTrunk& trunk() const = 0;
  /// Computes the logits of one image: x (1, in_chans*H*W) -> out (h*w, K). The head reads the tokens after `blocks`.
  virtual void run(const ConstRows& x, const std::array<Index, 4>& blocks, Workspace& workspace, Rows out) const = 0;

  SegmentationConfig config_;
  Precision precision_;
  Executor executor_;
};

/// transformers' BeitForSemanticSegmentation; mmsegmentation's EncoderDecoder with Microsoft's BEiT and UPerHead: a
/// feature pyramid and a UPerNet head (Xiao et al., https://arxiv.org/abs/1807.10221) on the tokens after four blocks.
/// AnySegmentationModel has its calls; Weight is as in Beit. It can be moved, not copied.
template <typename Weight>
class SegmentationModel final : public AnySegmentationModel {
 public:
  /// Reads every parameter that `config` calls for under timm's names, and those of the head under the names that
  /// Microsoft and save_pretrained give it ("fpn1", "fpn2", "decode_head"), with "decode_head.classifier" for the last
  /// layer. Batch norms are folded into the convolutions. The executor of `weights` is the model's; its pool and
  /// `kernels` must outlive the model. WeightError where a parameter is missing, mis-shaped or not finite; ConfigError
  /// where `config` makes no such model.
  SegmentationModel(SegmentationConfig config, const WeightScope& weights, const Kernels& kernels = default_kernels());

 private:
  const AnyTrunk& trunk() const override { return trunk_; }
  void run(const ConstRows& x, const std::array<Index, 4>& blocks, Workspace& workspace, Rows out) const override;

  Trunk<Weight> trunk_;
  UperNet<Weight> head_;
};

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/model/segmentation_model_impl.hpp>
#endif
