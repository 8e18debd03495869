// Attention of one head on tile registers, in bfloat16.
//
// Queries are multiplied as the product before has left them. Keys and values are packed into panels of 32, like
// weights. Works on 32 rows of scores at a time: first all their products with the keys; then, in float as in
// FusedAttention, the scale, the relative position bias and the softmax, whose weights are rounded to bfloat16; then
// the products of these with the values. 197 tokens of 64 channels take 728 tile products, 12 thousand cycles at the
// instruction's rate; the softmax takes twice that.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/version.hpp>
#include <beit/kernels/amx_tiles.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/kernels/row_layout.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

template <typename Tiles>
struct TileAttention {
  using A = std::uint16_t;
  using QkvLayout = RowLayout<Avx512Bf16, A>;
  static constexpr Index MR = 2 * Tiles::rows, NR = 32, slice = 32;  // slice: of the summed dimension
  static constexpr Index size = sizeof(A), group = 2;

  static constexpr Index padded(Index n) { return detail::round_up(n, slice); }

  /// The scratch memory of a call, in this order; each size is a multiple of a cache line.
  struct Scratch {
    A* keys;        // (padded(N)/NR, padded(D)/2, NR, 2)
    A* values;      // (padded(D)/NR, padded(N)/2, NR, 2)
    A* queries;     // (MR, padded(D)), zero from D on
    A* weights;     // (MR, padded(N)): the softmax's numerators, zero from N on
    float* scores;  // (MR, padded(N))
    float* bias;    // (padded(N)), then relative_position_slack
  };
  static Index scratch_bytes(Index n, Index d) {
    return (2 * padded(n) * padded(d) + MR * (padded(d) + padded(n))) * size +
           ((MR + 1) * padded(n) + relative_position_slack) * static_cast<Index>(sizeof(float));
  }

  BEIT_TARGET_AMX static void run(const AttentionCall& a, std::byte* memory) {
    const Index n = a.tokens(), d = a.head_dim(), ld = QkvLayout::stride(a.qkv->columns);
    const Scratch scratch = lay_out(n, d, memory);
    const A* const queries = QkvLayout::row(*a.qkv, a.segment, 0) + a.column();
    pack_rows<Avx2Packing, group>(queries + a.out->columns, ld, n, d, padded(d), NR, scratch.keys);
    pack_columns<Avx2Packing, NR, group>(queries + 2 * a.out->columns, ld, n, d, padded(n), scratch.values);
    std::fill_n(scratch.weights, MR * padded(n), A{});
    std::fill_n(scratch.bias, padded(n), 0.0f);
    Tiles tiles;
    alignas(64) Array<float, MR * NR> sums;
    for (Index row = 0; row < n; row += MR) {
      const Index rows = std::min(MR, n - row);
      const A* q = queries + row * ld;
      Index q_ld = ld;
      if (rows < MR || d < padded(d)) {
        copy(q, ld, rows, d, scratch.queries);
        q = scratch.queries;
        q_ld = padded(d);
      }
      for (Index key = 0; key < n; key += NR) {
        multiply(tiles, rows, q, q_ld, scratch.keys + key * padded(d), padded(d), scratch.scores + key, padded(n));
      }
      Array<float, MR> reciprocal;
      for (Index i = 0; i < rows; ++i) {
        if (a.bias_table != nullptr) {
          expand_relative_position_bias(a.bias_table, a.grid, row + i, &Avx512::copy_with_overrun, scratch.bias);
        }
        reciprocal[i] = Avx512Bf16::softmax_rounded(scratch.scores + i * padded(n), a.scale, scratch.bias, n,
                                                    scratch.weights + i * padded(n));
      }
      for (Index channel = 0; channel < d; channel += NR) {
        multiply(tiles, rows, scratch.weights, padded(n), scratch.values + channel * padded(n), padded(n), sums, NR);
        for (Index i = 0; i < rows; ++i) Avx512Bf16::multiply(sums + i * NR, reciprocal[i], NR);
        a.out->write(a.segment, row, rows, a.column() + channel, std::min(NR, d - channel), sums, NR);
      }
    }
  }

  static constexpr AttentionKernel kernel() { return {&QkvLayout::layout, &scratch_bytes, &run}; }

 private:
  static Scratch lay_out(Index n, Index d, std::byte* memory) {
    Scratch scratch;
    scratch.keys = reinterpret_cast<A*>(memory);
    scratch.values = scratch.keys + padded(n) * padded(d);
    scratch.queries = scratch.values + padded(n) * padded(d);
    scratch.weights = scratch.queries + MR * padded(d);
    scratch.scores = reinterpret_cast<float*>(scratch.weights + MR * padded(n));
    scratch.bias = scratch.scores + MR * padded(n);
    return scratch;
  }

  /// Copies x (rows, d), rows ld apart, to out (MR, padded(d)), with zeros elsewhere.
  static void copy(const A* x, Index ld, Index rows, Index d, A* out) {
    std::fill_n(out, MR * padded(d), A{});
    for (Index i = 0; i < rows; ++i) std::copy_n(x + i * ld, d, out + i * padded(d));
  }

  /// out (MR, NR), rows ldo apart, = x (MR, depth), rows ldx apart, times a panel. Writes only a tile's rows of out if
  /// there are no more.
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, Index rows, const A* x, Index ldx, const A* panel, Index depth,
                                       float* out, Index ldo) {
    const bool two = rows > Tiles::rows;
    const A* const lower = x + Tiles::rows * ldx;
    tiles.zero(tile_c00);
    tiles.zero(tile_c01);
    tiles.zero(tile_c10);
    tiles.zero(tile_c11);
    for (Index i = 0; i < depth; i += slice, panel += slice * NR) {
      tiles.load(tile_a0, x + i, ldx * size);
      tiles.load(tile_b0, panel, NR * 2 * size);
      tiles.load(tile_b1, panel + NR, NR * 2 * size);
      tiles.multiply_bfloat16(tile_c00, tile_a0, tile_b0);
      tiles.multiply_bfloat16(tile_c01, tile_a0, tile_b1);
      if (two) {
        tiles.load(tile_a1, lower + i, ldx * size);
        tiles.multiply_bfloat16(tile_c10, tile_a1, tile_b0);
        tiles.multiply_bfloat16(tile_c11, tile_a1, tile_b1);
      }
    }
    const Index row_bytes = ldo * static_cast<Index>(sizeof(float));
    tiles.store(tile_c00, out, row_bytes);
    tiles.store(tile_c01, out + 16, row_bytes);
    if (two) {
      tiles.store(tile_c10, out + Tiles::rows * ldo, row_bytes);
      tiles.store(tile_c11, out + Tiles::rows * ldo + 16, row_bytes);
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS
