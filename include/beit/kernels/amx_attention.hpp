// Attention of one head on tiles, in bfloat16.
//
// Keys and values are packed into panels of 32 as TileGemm's weights are, and both products run through its block of
// 2 x 2 tiles, 32 rows of scores at a time. Between the two, in float, as in FusedAttention: scale, relative position
// bias and softmax, of which the weights are rounded to bfloat16. 197 tokens of 64 channels take 728 products of tiles,
// 12 thousand cycles at the instruction's rate; by AVX-512 they are 180 thousand instructions. The softmax takes most
// of what is left.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The driver over Tiles and `Product`, a TileGemm of bfloat16.
template <typename Tiles, typename Product>
struct TileAttention {
  using A = std::uint16_t;
  static constexpr Index MR = 2 * Tiles::rows, NR = Product::NR, block = 32;  // block: of the summed dimension
  static_assert(NR == block);

  static constexpr Index padded(Index n) { return panels(n, block) * block; }

  /// What a call needs beside its arguments, in this order; all are whole cache lines.
  struct Scratch {
    A* keys;        // (padded(N)/NR, padded(D)/2, NR, 2)
    A* values;      // (padded(D)/NR, padded(N)/2, NR, 2)
    A* queries;     // (MR, padded(D)), zero from D on
    A* weights;     // (MR, padded(N)): the softmax's numerators, zero from N on
    float* scores;  // (MR, padded(N))
  };
  static Index scratch_bytes(Index n, Index d) {
    return (2 * padded(n) * padded(d) + MR * (padded(d) + padded(n))) * static_cast<Index>(sizeof(A)) +
           MR * padded(n) * static_cast<Index>(sizeof(float));
  }

  BEIT_TARGET_AMX static void run(const Attention& a, std::byte* memory) {
    const Index n = a.n, d = a.d;
    const Scratch scratch = lay_out(n, d, memory);
    pack_rows<Avx2Packing, NR>(static_cast<const A*>(a.k), a.ld, n, d, padded(d), scratch.keys);
    pack_columns<Avx2Packing, NR>(static_cast<const A*>(a.v), a.ld, n, d, padded(n), scratch.values);
    std::fill_n(scratch.queries, MR * padded(d), A{});
    std::fill_n(scratch.weights, MR * padded(n), A{});
    Tiles tiles(Tiles::rows);
    alignas(64) float sums[MR * NR];
    for (Index row = 0; row < n; row += MR) {
      const Index rows = std::min(MR, n - row);
      for (Index i = 0; i < rows; ++i) {
        std::copy_n(static_cast<const A*>(a.q) + (row + i) * a.ld, d, scratch.queries + i * padded(d));
        float* scores = scratch.scores + i * padded(n);
        if (a.bias_table != nullptr) {
          expand_relative_position_bias(a.bias_table, a.grid, row + i, scores);
          std::fill(scores + n, scores + padded(n), 0.0f);
        } else {
          std::fill_n(scores, padded(n), 0.0f);
        }
      }
      for (Index key = 0; key < n; key += NR) {
        multiply(tiles, rows, scratch.queries, scratch.keys + key * padded(d), padded(d), sums);
        add_scaled(sums, rows, a.scale, scratch.scores + key, padded(n));
      }
      float reciprocal[MR];
      for (Index i = 0; i < rows; ++i) {
        float* scores = scratch.scores + i * padded(n);
        reciprocal[i] = Avx512::softmax_row(scores, n);
        Avx512Bf16::Bfloat16::encode_row(scores, n, n, scratch.weights + i * padded(n), nullptr);
      }
      for (Index channel = 0; channel < d; channel += NR) {
        multiply(tiles, rows, scratch.weights, scratch.values + channel * padded(n), padded(n), sums);
        store(sums, rows, std::min(NR, d - channel), reciprocal, a, row * a.ldo + channel);
      }
    }
  }

  static constexpr AttentionKernel kernel() { return {Form::bfloat16, &scratch_bytes, &run}; }

 private:
  static Scratch lay_out(Index n, Index d, std::byte* memory) {
    Scratch scratch;
    scratch.keys = reinterpret_cast<A*>(memory);
    scratch.values = scratch.keys + padded(n) * padded(d);
    scratch.queries = scratch.values + padded(n) * padded(d);
    scratch.weights = scratch.queries + MR * padded(d);
    scratch.scores = reinterpret_cast<float*>(scratch.weights + MR * padded(n));
    return scratch;
  }

  /// sums (MR, NR) = x (MR, depth) times a panel. Where there are no more rows than a tile has, the rest of sums is not
  /// written.
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, Index rows, const A* x, const A* panel, Index depth, float* sums) {
    const std::byte* a = reinterpret_cast<const std::byte*>(x);
    const std::byte* b = reinterpret_cast<const std::byte*>(panel);
    const Index stride = depth * static_cast<Index>(sizeof(A));
    if (rows > Tiles::rows) {
      Product::template sum_chunk<true>(tiles, a, a + Tiles::rows * stride, stride, b, depth / block, false, sums);
    } else {
      Product::template sum_chunk<false>(tiles, a, a, stride, b, depth / block, false, sums);
    }
  }

  /// scores (rows, NR) += scale * sums.
  BEIT_TARGET_AMX static void add_scaled(const float* sums, Index rows, float scale, float* scores, Index ld) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (Index i = 0; i < rows; ++i, scores += ld, sums += NR) {
      for (Index j = 0; j < NR; j += 16) {
        const __m512 bias = _mm512_loadu_ps(scores + j);
        _mm512_storeu_ps(scores + j, _mm512_fmadd_ps(factor, _mm512_loadu_ps(sums + j), bias));
      }
    }
  }

  /// sums (rows, NR) times each row's reciprocal, to `columns` columns of a.out at `at`.
  BEIT_TARGET_AMX static void store(float* sums, Index rows, Index columns, const float* reciprocal, const Attention& a,
                                    Index at) {
    for (Index i = 0; i < rows; ++i, sums += NR, at += a.ldo) {
      for (Index j = 0; j < NR; j += 16) {
        _mm512_storeu_ps(sums + j, _mm512_mul_ps(_mm512_loadu_ps(sums + j), _mm512_set1_ps(reciprocal[i])));
      }
      if (a.out_form == Form::float32) {
        std::copy_n(sums, columns, static_cast<float*>(a.out) + at);
      } else {
        Avx512Bf16::Bfloat16::encode_row(sums, columns, columns, static_cast<A*>(a.out) + at, nullptr);
      }
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS
