// Attention of one head, written once for every level over the level's tile product.
//
// Keys and values are packed into the same panels as weights, so that both products run through the level's
// tile: scores = q k^T from panels of NR keys, and out = scores v from panels of NR channels. Only MR rows of
// scores exist at a time; the N x N matrix is never in memory. The softmax is normalised after the second
// product, on D instead of N floats a row.
#pragma once

#include <algorithm>

#include <beit/core/version.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The driver over `Level`, which has MR, NR and tile as for PackedGemm, and
///   softmax_row(x, n): x (n,) becomes exp(x - max(x)); returns the reciprocal of the sum.
template <typename Level>
struct FusedAttention {
  static constexpr Index MR = Level::MR, NR = Level::NR;
  static constexpr Index key_chunk = Level::k_chunk;  // partial sums over this many keys

  // Scratch, in this order: keys (ceil(N/NR), D, NR), values (ceil(D/NR), N, NR), queries (MR, D),
  // scores (MR, ceil(N/NR)*NR).
  static Index scratch(Index n, Index d) {
    const Index padded_n = panels(n, NR) * NR, padded_d = panels(d, NR) * NR;
    return padded_n * d + padded_d * n + MR * d + MR * padded_n;
  }

  static void run(const Attention& a, float* scratch) {
    const Index n = a.n, d = a.d, padded_n = panels(n, NR) * NR, padded_d = panels(d, NR) * NR;
    float* keys = scratch;
    float* values = keys + padded_n * d;
    float* queries = values + padded_d * n;
    float* scores = queries + MR * d;
    pack_keys(a, keys);
    pack_values(a, values);
    alignas(64) float sums[MR * NR];
    float reciprocal[MR];
    for (Index row = 0; row < n; row += MR) {
      const Index rows = std::min(MR, n - row);
      for (Index i = 0; i < rows; ++i) {
        const float* q = a.q + (row + i) * a.ld;
        for (Index c = 0; c < d; ++c) queries[i * d + c] = q[c] * a.scale;
        if (a.bias_table != nullptr) {
          expand_relative_position_bias(a.bias_table, a.grid, row + i, scores + i * padded_n);
        } else {
          std::fill_n(scores + i * padded_n, n, 0.0f);
        }
      }
      for (Index key = 0; key < n; key += NR) {
        std::fill_n(sums, MR * NR, 0.0f);
        Level::tile(queries, d, rows, keys + key * d, d, sums);
        const Index columns = std::min(NR, n - key);
        for (Index i = 0; i < rows; ++i) {
          float* score = scores + i * padded_n + key;
          for (Index j = 0; j < columns; ++j) score[j] += sums[i * NR + j];
        }
      }
      for (Index i = 0; i < rows; ++i) reciprocal[i] = Level::softmax_row(scores + i * padded_n, n);
      for (Index channel = 0; channel < d; channel += NR) {
        std::fill_n(sums, MR * NR, 0.0f);
        const float* panel = values + channel * n;
        for (Index key = 0; key < n; key += key_chunk) {
          Level::tile(scores + key, padded_n, rows, panel + key * NR, std::min(key_chunk, n - key), sums);
        }
        const Index columns = std::min(NR, d - channel);
        for (Index i = 0; i < rows; ++i) {
          float* out = a.out + (row + i) * a.ldo + channel;
          for (Index j = 0; j < columns; ++j) out[j] = sums[i * NR + j] * reciprocal[i];
        }
      }
    }
  }

 private:
  static void pack_keys(const Attention& a, float* keys) {
    for (Index key = 0; key < a.n; key += NR, keys += a.d * NR) {
      const Index columns = std::min(NR, a.n - key);
      if (columns < NR) std::fill_n(keys, a.d * NR, 0.0f);
      for (Index j = 0; j < columns; ++j) {
        const float* k = a.k + (key + j) * a.ld;
        for (Index c = 0; c < a.d; ++c) keys[c * NR + j] = k[c];
      }
    }
  }

  static void pack_values(const Attention& a, float* values) {
    for (Index channel = 0; channel < a.d; channel += NR) {
      const Index columns = std::min(NR, a.d - channel);
      for (Index key = 0; key < a.n; ++key, values += NR) {
        std::copy_n(a.v + key * a.ld + channel, columns, values);
        std::fill(values + columns, values + NR, 0.0f);
      }
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
