// timm.layers.Mlp.
#pragma once

#include <optional>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/row_layout.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = gelu(x W1^T + b1) W2^T + b2, with the erf form of GELU (see kernels::Epilogue).
template <typename Weight>
class Mlp {
 public:
  /// Reads the parameters below timm's `mlp`: C = dim, M = hidden.
  Mlp(const Kernels& kernels, const WeightScope& weights, Index dim, Index hidden)
      : fc1_(kernels, weights.scope("fc1"), hidden, dim), fc2_(kernels, weights.scope("fc2"), dim, hidden) {}

  /// Adds a norm before the second product: y = norm(gelu(x W1^T + b1)) W2^T + b2, "mlp.norm" of BEiT-3, timm's
  /// scale_mlp_norm.
  void norm_hidden(const Kernels& kernels, const WeightScope& norm, float eps) {
    norm_.emplace(kernels, norm, fc2_.inputs(), eps);
  }

  /// Takes memory for x (B*N, C) from the frame.
  [[nodiscard]] Activations input(Workspace::Frame& frame, Index batch, Index tokens) const {
    return fc1_.input(frame, batch, tokens);
  }

  /// out += gamma * y; x (B*N, C), gamma (C,) or null for 1, out (B*N, C).
  void forward_residual(const Activations& x, const float* gamma, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    const Activations hidden = fc2_.input(frame, x.segments, x.segment_rows, !norm_);  // (B*N, M)
    if (norm_) {
      const Activations rows = frame.activations(kernels::float_rows, x.segments, x.segment_rows, hidden.columns);
      fc1_.forward_gelu(x, workspace, rows);
      norm_->forward(rows, workspace, hidden);
    } else {
      fc1_.forward_gelu(x, workspace, hidden);
    }
    fc2_.forward_residual(hidden, gamma, workspace, out);
  }

 private:
  std::optional<LayerNorm> norm_;
  Linear<Weight> fc1_;  // (M, C)
  Linear<Weight> fc2_;  // (C, M)
};

}  // namespace beit::inline BEIT_ABI
