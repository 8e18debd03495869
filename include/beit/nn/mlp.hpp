// timm.layers.Mlp.
#pragma once

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = gelu(x W1^T + b1) W2^T + b2, with the exact (erf) GELU.
template <typename Weight>
class Mlp {
 public:
  Mlp(const WeightScope& weights, Index dim, Index hidden)
      : fc1_(weights.scope("fc1"), hidden, dim), fc2_(weights.scope("fc2"), dim, hidden) {}

  /// out += gamma * y; x (B*N, C) as kernel() reads it, gamma (C,) or null for 1, out (B*N, C).
  void forward_residual(const Operand& x, const float* gamma, Workspace& workspace, Rows out) const {
    const kernels::GemmKernel& kernel = Linear<Weight>::kernel();
    const kernels::Form form = kernel.reads_products() ? kernel.form : kernels::Form::float32;
    Operand hidden = workspace.operand(Workspace::hidden, x.rows, fc1_.outputs(), kernel.depth(fc1_.outputs()), form);
    fc1_.forward_gelu(x, workspace.executor(), hidden);
    if (form != kernel.form) hidden = encode(hidden.floats(), kernel, workspace, Workspace::encoded);
    fc2_.forward_residual(hidden, gamma, workspace.executor(), out);
  }

 private:
  Linear<Weight> fc1_;  // (M, C)
  Linear<Weight> fc2_;  // (C, M)
};

}  // namespace beit::inline BEIT_ABI
