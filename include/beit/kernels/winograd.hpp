// Winograd's convolution with a 3x3 kernel, F(m x m, 3 x 3): the matrices of its transforms, and a level's functions.
//
// A tile of m x m pixels of y needs (m+2) x (m+2) pixels of x, d. With the kernel g and matrices B, G and A,
//   y = A^T ((G g G^T) * (B^T d B)) A,
// where * multiplies element by element: (m+2)^2 multiplications instead of 9 m^2. Summed over channels, each of the
// (m+2)^2 positions is a product of matrices, (tiles, inputs) x (inputs, outputs).
//
// The matrices multiply polynomials by their values at m+1 points and infinity (Cook and Toom). The points decide how
// rounding errors grow: 0, 1 and -1 need additions only; 0, +-5/8 and +-3/2 lose half as much as the usual 0, +-1 and
// +-2, and the coefficients of A and B are still exact in float.
#pragma once

#include <cstddef>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

enum class Epilogue;

/// The matrices of F(m x m, 3 x 3).
template <Index m>
struct WinogradMatrices {
  static constexpr Index size = m + 2;         ///< The side of a tile of x.
  Array<Array<float, size>, size> input = {};  ///< B^T.
  Array<Array<float, 3>, size> weights = {};   ///< G.
  Array<Array<float, size>, m> output = {};    ///< A^T.

  /// For m + 1 points beside infinity.
  constexpr explicit WinogradMatrices(const Array<double, m + 1>& points) {
    for (Index j = 0; j < size; ++j) {
      const bool infinite = j == size - 1;
      Array<double, size> product = {1};  // the coefficients of the product of (x - q) over the other points q
      double distances = 1;               // the product of (p - q)
      Index degree = 0;
      for (Index q = 0; q < size - 1; ++q) {
        if (q == j) continue;
        ++degree;
        for (Index k = degree; k >= 0; --k) product[k] = (k > 0 ? product[k - 1] : 0.0) - points[q] * product[k];
        if (!infinite) distances *= points[j] - points[q];
      }
      for (Index k = 0; k < size; ++k) input[j][k] = static_cast<float>(product[k]);
      double power = 1;
      for (Index k = 0; k < 3 || k < m; ++k) {
        if (k < 3) weights[j][k] = static_cast<float>(infinite ? (k == 2 ? 1.0 : 0.0) : power / distances);
        if (k < m) output[k][j] = static_cast<float>(infinite ? (k == m - 1 ? 1.0 : 0.0) : power);
        if (!infinite) power *= points[j];
      }
    }
  }
};

/// The matrices for each m.
template <Index m>
inline constexpr WinogradMatrices<m> winograd_matrices = [] {
  if constexpr (m == 2) {
    return WinogradMatrices<m>({0, 1, -1});
  } else {
    return WinogradMatrices<m>({0, 0.625, -0.625, 1.5, -1.5});
  }
}();

/// The sums of one tile: of position p and column c, first[p * position + c / width * panel + c % width].
struct WinogradSums {
  const float* first = nullptr;
  Index position = 0, panel = 0;
  Index width = 0;  // of a panel: a multiple of what a vector of the level holds
};

/// Describes where a tile of y is stored, and what happens to it before.
struct WinogradOutput {
  const float* bias = nullptr;   // (columns,), or null for zeros
  const float* scale = nullptr;  // (columns,), or null for ones; with bias_residual only
  Epilogue epilogue{};
  Index columns = 0;     // of y
  float* out = nullptr;  // its pixels are `pixel` floats apart, its lines `line` floats
  Index line = 0, pixel = 0;
  Size size{};  // of the tile: m x m, or less at the edges of y
};

/// The transforms of one level. Positions are numbered line by line.
struct WinogradKernel {
  Index tile;  ///< m.
  /// B^T d B of `channels` channels: x (m+2, m+2, channels), whose lines are `line` and pixels `pixel` floats apart ->
  /// out ((m+2)^2, channels), whose rows are `stride` floats apart. `relu`: max(x, 0) replaces x, and NaN stays NaN.
  void (*input)(const float* x, Index line, Index pixel, Index channels, bool relu, float* out, Index stride);
  /// G g G^T of `channels` inputs of one output: w (9, channels), whose rows are `tap` floats apart -> out ((m+2)^2,
  /// channels), whose rows are `stride` floats apart.
  void (*weights)(const float* w, Index tap, Index channels, float* out, Index stride);
  /// A^T sums A of one tile, and the epilogue: sums ((m+2)^2, columns).
  void (*output)(const WinogradSums& sums, const WinogradOutput& to);

  Index side() const { return tile + 2; }              ///< The side of a tile of x.
  Index positions() const { return side() * side(); }  ///< The number of products.
};

/// A level's transforms for both sizes of tiles.
struct WinogradKernels {
  WinogradKernel by_2;  ///< F(2x2, 3x3): 2.25 times fewer multiplications.
  WinogradKernel by_4;  ///< F(4x4, 3x3): 4 times fewer.
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
