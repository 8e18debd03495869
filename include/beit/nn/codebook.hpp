// The codes of a vector quantiser, of which the nearest one is a token.
#pragma once

#include <limits>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// V codes of D numbers each: NormEMAVectorQuantizer of BEiT v2. It computes in float, whatever the precision of the
/// model.
class Codebook {
 public:
  /// Reads "weight" (V, D). `kernels` must outlive it. WeightError where the square of a code exceeds the range of
  /// float.
  Codebook(const Kernels& kernels, const WeightScope& weights, Index size, Index dim)
      : kernels_(&kernels),
        codes_(weights.get("weight", {size, dim})),
        products_(kernels, weights, "weight", {size, dim}, half_squares(weights, codes_, size, dim)) {}

  Index size() const { return products_.outputs(); }  ///< V, the number of codes.
  Index dim() const { return products_.inputs(); }    ///< D, the numbers per code.

  /// The kernels that it runs on.
  const Kernels& kernels() const { return *kernels_; }

  /// All codes (V, D).
  [[nodiscard]] Matrix::ConstMap codes() const { return {codes_.data(), size(), dim()}; }

  /// Computes z (m, D) -> out (m, V), z c - |c|^2 / 2 for each code c. The largest is that of the nearest code, because
  /// |z - c|^2 = |z|^2 - 2 (z c - |c|^2 / 2). Published codes have unit length: there it is the cosine less a half.
  void forward(const ConstRows& z, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    const Activations x = products_.input(frame, 1, z.rows());
    write_rows(z, x, workspace.executor());
    products_.forward(x, workspace, out);
  }

 private:
  /// -|c|^2 / 2 of each code: (V,).
  static AlignedBuffer<float> half_squares(const WeightScope& weights, const AlignedBuffer<float>& codes, Index size,
                                           Index dim) {
    AlignedBuffer<float> result(size);
    for (Index i = 0; i < size; ++i) {
      double sum = 0;
      for (Index k = 0; k < dim; ++k) {
        const auto value = static_cast<double>(codes[i * dim + k]);
        sum += value * value;
      }
      if (sum > static_cast<double>(std::numeric_limits<float>::max())) {
        throw WeightError(detail::concat({weights.where("weight"), ": found code ", i,
                                          " whose square exceeds the range of float, wanted shorter codes"}));
      }
      result[i] = static_cast<float>(-sum / 2);
    }
    return result;
  }

  const Kernels* kernels_;
  AlignedBuffer<float> codes_;  // (V, D)
  Linear<float> products_;      // (V, D), with the halves of the squares
};

}  // namespace beit::inline BEIT_ABI
