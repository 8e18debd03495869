// Attention of one head, written once for every level and precision over the level's tile product.
//
// Keys and values are packed into the same panels as weights, so that both products run through the
// tile: scores = q k^T from panels of NR keys, and out = scores v from panels of NR channels. Only MR rows of
// scores exist at a time; the N x N matrix is never in memory. The softmax is normalised after the second
// product, on D instead of N floats a row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The driver over `Product`, as for PackedGemm, of float or bfloat16, and `Level`, which has
///   Packing: see kernels/packing.hpp;
///   softmax_row(x, n): x (n,) becomes exp(x - max(x)); returns the reciprocal of the sum.
template <typename Level, typename Product>
struct FusedAttention {
  using A = typename Product::A;
  static constexpr Index MR = Product::MR, NR = Product::NR, group = Product::group;
  static_assert(std::is_same_v<A, typename Product::Panel> && std::is_same_v<typename Product::Sum, float>);

  static constexpr Index groups(Index k) { return (k + group - 1) / group; }
  static constexpr Index padded(Index n) { return panels(n, NR) * NR; }

  /// What a call needs beside its arguments, in this order.
  struct Scratch {
    A* keys;        // (ceil(N/NR), groups(D), NR, group)
    A* values;      // (ceil(D/NR), groups(N), NR, group)
    float* scores;  // (MR, padded(N))
    A* weights;     // (MR, padded(N)): the scores as A, where that isn't float
  };
  static Index scratch_bytes(Index n, Index d) {
    const Index panel_elements = padded(n) * groups(d) * group + padded(d) * groups(n) * group;
    const Index weights = std::is_same_v<A, float> ? 0 : MR * padded(n);
    return whole_lines(panel_elements * static_cast<Index>(sizeof(A))) +
           whole_lines(MR * padded(n) * static_cast<Index>(sizeof(float))) +
           whole_lines(weights * static_cast<Index>(sizeof(A)));
  }

  static void run(const Attention& a, std::byte* memory) {
    const Index n = a.n, d = a.d, padded_n = padded(n);
    Scratch scratch = lay_out(n, d, memory);
    using Packing = typename Level::Packing;
    pack_rows<Packing, NR>(static_cast<const A*>(a.k), a.ld, n, d, groups(d) * group, scratch.keys);
    pack_columns<Packing, NR>(static_cast<const A*>(a.v), a.ld, n, d, groups(n) * group, scratch.values);
    alignas(64) float sums[MR * NR];
    for (Index row = 0; row < n; row += MR) {
      const Index rows = std::min(MR, n - row);
      for (Index i = 0; i < rows; ++i) {
        if (a.bias_table != nullptr) {
          expand_relative_position_bias(a.bias_table, a.grid, row + i, scratch.scores + i * padded_n);
        } else {
          std::fill_n(scratch.scores + i * padded_n, n, 0.0f);
        }
      }
      const A* queries = static_cast<const A*>(a.q) + row * a.ld;
      for (Index key = 0; key < n; key += NR) {
        std::fill_n(sums, MR * NR, 0.0f);
        // Where D is no multiple of group, the element after a query meets a zero.
        Product::tile(queries, a.ld, rows, scratch.keys + key * groups(d) * group, groups(d), sums);
        const Index columns = std::min(NR, n - key);
        for (Index i = 0; i < rows; ++i) {
          float* score = scratch.scores + i * padded_n + key;
          for (Index j = 0; j < columns; ++j) score[j] += a.scale * sums[i * NR + j];
        }
      }
      float reciprocal[MR];
      for (Index i = 0; i < rows; ++i) reciprocal[i] = Level::softmax_row(scratch.scores + i * padded_n, n);
      if constexpr (!std::is_same_v<A, float>) {
        for (Index i = 0; i < rows; ++i) {
          Product::encode_row(scratch.scores + i * padded_n, n, groups(n) * group, scratch.weights + i * padded_n,
                              nullptr);
        }
      }
      for (Index channel = 0; channel < d; channel += NR) {
        std::fill_n(sums, MR * NR, 0.0f);
        const A* panel = scratch.values + channel * groups(n) * group;
        for (Index key = 0; key < groups(n); key += Product::chunk) {
          Product::tile(weights(scratch) + key * group, padded_n, rows, panel + key * group * NR,
                        std::min(Product::chunk, groups(n) - key), sums);
        }
        const Index columns = std::min(NR, d - channel);
        for (Index i = 0; i < rows; ++i) {
          float* sum = sums + i * NR;
          for (Index j = 0; j < columns; ++j) sum[j] *= reciprocal[i];
          const Index at = (row + i) * a.ldo + channel;
          if (a.out_form == Form::float32) {
            std::copy_n(sum, columns, static_cast<float*>(a.out) + at);
          } else if constexpr (!std::is_same_v<A, float>) {
            Product::encode_row(sum, columns, columns, static_cast<A*>(a.out) + at, nullptr);
          }
        }
      }
    }
  }

  static constexpr AttentionKernel kernel() { return {Product::form, &scratch_bytes, &run}; }

 private:
  static constexpr Index whole_lines(Index bytes) { return (bytes + 63) / 64 * 64; }

  static Scratch lay_out(Index n, Index d, std::byte* memory) {
    Scratch scratch;
    scratch.keys = reinterpret_cast<A*>(memory);
    scratch.values = scratch.keys + padded(n) * groups(d) * group;
    memory += whole_lines((padded(n) * groups(d) + padded(d) * groups(n)) * group * static_cast<Index>(sizeof(A)));
    scratch.scores = reinterpret_cast<float*>(memory);
    memory += whole_lines(MR * padded(n) * static_cast<Index>(sizeof(float)));
    scratch.weights = reinterpret_cast<A*>(memory);
    return scratch;
  }

  static const A* weights(const Scratch& scratch) {
    if constexpr (std::is_same_v<A, float>) {
      return scratch.scores;
    } else {
      return scratch.weights;
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
