// What the kernels take: raw pointers and sizes. Letters as in the design: C embedding dim, N tokens, ...
#pragma once

#include <cstdint>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// What a product does with a finished element `x` of a (m, n) result before it stores it.
enum class Epilogue {
  bias,           ///< out = x + bias
  bias_gelu,      ///< out = gelu(x + bias), the exact form with erf
  bias_residual,  ///< out += scale * (x + bias); layer scale and residual
};

/// out (m, n) = epilogue(a (m, k) x transpose(w (n, k))): timm's and torch's Linear.
template <typename Stored>
struct Gemm {
  const float* a = nullptr;  // (m, k) row-major, rows lda apart
  Index lda = 0;
  const Stored* packed = nullptr;  // what GemmKernel::pack made of w (n, k)
  const float* bias = nullptr;     // (n,), or null for zeros
  const float* scale = nullptr;    // (n,), or null for ones; with bias_residual only
  float* out = nullptr;            // (m, n) row-major, rows ldo apart
  Index ldo = 0;
  Index m = 0, n = 0, k = 0;
  Epilogue epilogue = Epilogue::bias;
};

/// A product of one type of stored weights. `run` computes rows [row0, row1) and columns [column0, column1)
/// of the result, so that threads share one product; blocks begin at multiples of row_block and column_tile.
/// An element's bits depend on its row of a and its column of w alone, never on the block or on m.
template <typename Stored>
struct GemmKernel {
  Index row_block;    // most rows of one call
  Index column_tile;  // columns of a packed panel
  void (*pack)(const float* w, Index n, Index k, Stored* packed);
  void (*run)(const Gemm<Stored>& gemm, Index row0, Index row1, Index column0, Index column1);

  Index padded(Index n) const { return (n + column_tile - 1) / column_tile * column_tile; }
  /// Elements that pack writes for w (n, k).
  Index packed_size(Index n, Index k) const { return padded(n) * k; }
};

/// One head of one image: softmax(scale * q k^T + bias) v.
struct Attention {
  const float* q = nullptr;  // (N, D), rows ld apart
  const float* k = nullptr;  // (N, D), rows ld apart
  const float* v = nullptr;  // (N, D), rows ld apart
  Index ld = 0;
  float* out = nullptr;  // (N, D), rows ldo apart
  Index ldo = 0;
  Index n = 0, d = 0;
  float scale = 1;
  const float* bias_table = nullptr;  // (R,) of this head as nn/relative_position_bias.hpp keeps it, or null
  Size grid{};                        // patches; with bias_table, N = 1 + grid.area()
};

/// Every hot function at one level.
struct Kernels {
  Isa isa;
  GemmKernel<float> gemm_float;
  GemmKernel<std::uint16_t> gemm_bfloat16;  // weights rounded to bfloat16 at packing, float arithmetic
  /// Floats of scratch that `attention` needs for N tokens of D.
  Index (*attention_scratch)(Index n, Index d);
  void (*attention)(const Attention& attention, float* scratch);
  /// out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias for each of `rows` rows of C; out may be x.
  void (*layer_norm)(const float* x, Index ldx, Index rows, Index c, const float* weight, const float* bias, float eps,
                     float* out, Index ldo);
  /// out (C,) = mean of `rows` rows of x.
  void (*mean_rows)(const float* x, Index ldx, Index rows, Index c, float* out);
};

/// How many panels of `tile` columns n columns make.
constexpr Index panels(Index n, Index tile) { return (n + tile - 1) / tile; }

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
