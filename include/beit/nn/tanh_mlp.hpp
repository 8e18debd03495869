// Two matrix products with a hyperbolic tangent between them: torch's Sequential(Linear, Tanh, Linear).
#pragma once

#include <cmath>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = W2 tanh(W1 x + b1) + b2, in float whatever the precision of the model: it is a small part of the work, and what
/// it computes is compared.
class TanhMlp {
 public:
  /// Reads "0.weight" (dim, dim), "0.bias", "2.weight" (outputs, dim) and "2.bias". `kernels` must outlive it.
  TanhMlp(const Kernels& kernels, const WeightScope& weights, Index dim, Index outputs)
      : first_(kernels, weights.scope("0"), dim, dim), second_(kernels, weights.scope("2"), outputs, dim) {}

  /// Takes memory for x (rows, dim) from the frame.
  [[nodiscard]] Activations input(Workspace::Frame& frame, Index rows) const { return first_.input(frame, 1, rows); }

  /// Computes x (m, dim) -> out (m, outputs).
  void forward(const Activations& x, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    Rows hidden = frame.rows(out.rows(), first_.outputs());
    first_.forward(x, workspace, hidden);
    workspace.executor().for_each(hidden.rows(), [&](Index row, Index) {
      float* const values = hidden.data() + row * hidden.outerStride();
      for (Index i = 0; i < hidden.cols(); ++i) values[i] = std::tanh(values[i]);
    });
    const Activations activated = second_.input(frame, 1, hidden.rows());
    write_rows(hidden, activated, workspace.executor());
    second_.forward(activated, workspace, out);
  }

 private:
  Linear<float> first_, second_;
};

}  // namespace beit::inline BEIT_ABI
