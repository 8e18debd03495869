// The definitions of the segmentation model.
#pragma once

#include <array>
#include <utility>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

BEIT_COLD BEIT_INLINE AnySegmentationModel::AnySegmentationModel(SegmentationConfig config, const WeightScope& weights,
                                                                 Precision precision)
    : config_(detail::checked(std::move(config))), precision_(precision), executor_(weights.executor()) {}

BEIT_INLINE void AnySegmentationModel::forward(const ConstRows& x, SegmentationRule rule, Workspace& workspace,
                                               Rows out) const {
  const Index pixels = config_.logits_size().area();
  const std::array<Index, 4> blocks = config_.blocks(rule);
  trunk().require_input(x);
  require_shape(out, x.rows() * pixels, config_.num_classes, "SegmentationModel: out");
  if (!config_.has_blocks(rule)) {
    throw ArgumentError(detail::concat({"SegmentationModel: found the rule ", segmentation_rule_name(rule),
                                        ", which reads block ", blocks.back(), " of ", config_.depth, ", wanted ",
                                        segmentation_rule_name(SegmentationRule::transformers)}));
  }
  for (Index b = 0; b < x.rows(); ++b) {  // one image at a time: its maps fill the caches anyway
    const Workspace::Part part(workspace, b, x.rows());
    run(x.middleRows(b, 1), blocks, workspace, out.middleRows(b * pixels, pixels));
  }
}

BEIT_INLINE void AnySegmentationModel::write_maps(const ConstRows& x, const std::array<Index, 4>& blocks,
                                                  Workspace& workspace, Rows out) const {
  const Index patches = config_.grid().area();
  Workspace::Frame frame(workspace);
  Rows tokens = frame.rows(config_.num_tokens(), config_.embed_dim);
  trunk().embed(x, blocks.back(), workspace, tokens);
  Index done = 0, first = 0;
  for (const Index wanted : blocks) {
    for (; done < wanted; ++done) trunk().forward_block(done, blocks.back(), 1, workspace, tokens);
    out.middleRows(first, patches) = tokens.bottomRows(patches);
    first += patches;
  }
}

BEIT_INLINE Matrix AnySegmentationModel::forward(const ConstRows& x) const {
  Workspace workspace(executor_);
  Matrix out(x.rows() * config_.logits_size().area(), config_.num_classes);
  forward(x, workspace, out);
  return out;
}

template <typename Weight>
SegmentationModel<Weight>::SegmentationModel(SegmentationConfig config, const WeightScope& weights,
                                             const Kernels& kernels)
    : AnySegmentationModel(std::move(config), weights, WeightTraits<Weight>::precision),
      trunk_(this->config(), weights, kernels),
      head_(kernels, weights,
            {.dim = this->config().embed_dim,
             .channels = this->config().channels,
             .num_classes = this->config().num_classes,
             .pool_scales = this->config().pool_scales}) {}

template <typename Weight>
void SegmentationModel<Weight>::run(const ConstRows& x, const std::array<Index, 4>& blocks, Workspace& workspace,
                                    Rows out) const {
  head_.forward(
      this->config().grid(), [&](Rows tokens) { this->write_maps(x, blocks, workspace, tokens); }, workspace, out);
}

}  // namespace beit::inline BEIT_ABI
