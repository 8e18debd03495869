// The packed product, written once for every level over the level's own small primitives.
//
// Packing: w (n, k) row-major becomes panels of NR columns of the result, zero-padded,
//   packed[(p * k + i) * NR + j] = w[(p * NR + j) * k + i],
// which is the order in which the inner loop reads it (the "B panel" of Goto's algorithm, as in BLIS).
// a is not packed: its rows are contiguous along k already, and the inner loop broadcasts from MR of them.
#pragma once

#include <algorithm>
#include <type_traits>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Level::finish of a tile with fewer than NR columns, by way of a whole one.
template <typename Level>
void finish_part(const float* sum, const float* bias, const float* scale, Epilogue epilogue, Index rows, Index columns,
                 float* out, Index ldo) {
  constexpr Index MR = Level::MR, NR = Level::NR;
  float whole_bias[NR] = {}, whole_scale[NR] = {}, whole_out[MR * NR] = {};
  if (bias != nullptr) std::copy_n(bias, columns, whole_bias);
  if (scale != nullptr) std::copy_n(scale, columns, whole_scale);
  for (Index i = 0; i < rows; ++i) std::copy_n(out + i * ldo, columns, whole_out + i * NR);
  Level::finish(sum, bias == nullptr ? nullptr : whole_bias, scale == nullptr ? nullptr : whole_scale, epilogue, rows,
                NR, whole_out, NR);
  for (Index i = 0; i < rows; ++i) std::copy_n(whole_out + i * NR, columns, out + i * ldo);
}

/// The driver over `Level`, which has the constants MR x NR (the tile) and k_chunk, and
///   tile(a, lda, rows, panel, k, sum): sum (MR, NR) += a (rows, k) x panel (k, NR); rows <= MR, and the rows
///     of sum beyond `rows` may hold anything;
///   widen(in, count, out): bfloat16 to float;
///   finish(sum, bias, scale, epilogue, rows, columns, out, ldo): the epilogue of one tile.
template <typename Level, typename Stored>
struct PackedGemm {
  static constexpr Index MR = Level::MR, NR = Level::NR;
  // A chunk of a panel stays in the nearest cache while the rows of a block pass by. Summing in chunks also keeps
  // rounding errors from growing with k.
  static constexpr Index k_chunk = Level::k_chunk;
  static constexpr Index row_block = (64 + MR - 1) / MR * MR;

  static void pack(const float* w, Index n, Index k, Stored* packed) {
    for (Index p = 0; p < panels(n, NR); ++p) {
      const Index columns = std::min(NR, n - p * NR);
      for (Index i = 0; i < k; ++i, packed += NR) {
        const float* column = w + p * NR * k + i;
        for (Index j = 0; j < NR; ++j) packed[j] = store(j < columns ? column[j * k] : 0.0f);
      }
    }
  }

  static void run(const Gemm<Stored>& g, Index row0, Index row1, Index column0, Index column1) {
    alignas(64) float sums[row_block * NR];
    alignas(64) float widened[std::is_same_v<Stored, float> ? 1 : k_chunk * NR];
    for (Index column = column0; column < column1; column += NR) {
      const Stored* panel = g.packed + column * g.k;
      std::fill_n(sums, (row1 - row0 + MR - 1) / MR * MR * NR, 0.0f);
      for (Index k0 = 0; k0 < g.k; k0 += k_chunk) {
        const Index k = std::min(k_chunk, g.k - k0);
        const float* chunk;
        if constexpr (std::is_same_v<Stored, float>) {
          chunk = panel + k0 * NR;
        } else {
          Level::widen(panel + k0 * NR, k * NR, widened);
          chunk = widened;
        }
        for (Index row = row0; row < row1; row += MR) {
          Level::tile(g.a + row * g.lda + k0, g.lda, std::min(MR, row1 - row), chunk, k, sums + (row - row0) * NR);
        }
      }
      const Index columns = std::min(NR, g.n - column);
      const float* bias = g.bias == nullptr ? nullptr : g.bias + column;
      const float* scale = g.scale == nullptr ? nullptr : g.scale + column;
      for (Index row = row0; row < row1; row += MR) {
        Level::finish(sums + (row - row0) * NR, bias, scale, g.epilogue, std::min(MR, row1 - row), columns,
                      g.out + row * g.ldo + column, g.ldo);
      }
    }
  }

  static constexpr GemmKernel<Stored> kernel() { return {row_block, NR, &pack, &run}; }

 private:
  static Stored store(float x) {
    if constexpr (std::is_same_v<Stored, float>) {
      return x;
    } else {
      return round_to_bfloat16(x);
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
