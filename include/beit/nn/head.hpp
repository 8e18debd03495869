// The pooled classifier: timm.models.beit.Beit.forward_head.
#pragma once

#include <algorithm>
#include <optional>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/kernels/mean_rows.hpp>
#include <beit/nn/global_pool.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// pre_logits = fc_norm(pool(tokens)), logits = head(pre_logits); either may be absent.
template <typename Weight>
class Head {
 public:
  /// Reads "fc_norm", which uses `eps`, if `fc_norm`, and "head" unless `classes` is 0. `kernels` must outlive the
  /// head.
  Head(const Kernels& kernels, const WeightScope& weights, Index dim, Index classes, GlobalPool pool, bool fc_norm,
       float eps)
      : pool_(pool) {
    if (fc_norm) fc_norm_.emplace(kernels, weights.scope("fc_norm"), dim, eps);
    if (classes > 0) head_.emplace(kernels, weights.scope("head"), classes, dim);
  }

  /// tokens (B*N, C) -> out (B, C).
  void pre_logits(const ConstRows& tokens, Workspace& workspace, Rows out) const {
    const Index batch = out.rows(), count = tokens.rows() / batch, stride = tokens.outerStride();
    workspace.executor().for_each(batch, [&](Index b, Index) {
      const float* image = tokens.data() + b * count * stride;
      float* pooled = out.data() + b * out.outerStride();
      if (pool_ == GlobalPool::avg) {
        kernels::mean_rows(image + stride, stride, count - 1, tokens.cols(), pooled);
      } else {
        std::copy_n(image, tokens.cols(), pooled);
      }
    });
    if (fc_norm_) fc_norm_->forward(out, workspace.executor(), out);
  }

  /// tokens (B*N, C) -> out (B, K), or (B, C) without a classifier.
  void forward(const ConstRows& tokens, Workspace& workspace, Rows out) const {
    if (!head_) return pre_logits(tokens, workspace, out);
    Workspace::Frame frame(workspace);
    Rows pooled = frame.rows(out.rows(), tokens.cols());
    pre_logits(tokens, workspace, pooled);
    const Activations x = head_->input(frame, 1, pooled.rows());
    write_rows(pooled, x, workspace.executor());
    head_->forward(x, workspace, out);
  }

 private:
  GlobalPool pool_;
  std::optional<LayerNorm> fc_norm_;
  std::optional<Linear<Weight>> head_;  // (K, C)
};

}  // namespace beit::inline BEIT_ABI
