// Attention of one head, written once for every level and precision on top of the level's tile product.
//
// Keys and values are packed into panels like weights, and queries and the softmax's weights into row tiles like
// activations, so that the tile computes both products: scores = q k^T from panels of NR keys, and out = scores v from
// panels of NR channels. Only MR rows of scores exist at a time; the N x N matrix is never in memory. The softmax is
// normalised after the second product, on D instead of N floats per row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/kernels/row_layout.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The driver, on top of a Level and a Product as PackedGemm has them, of float or bfloat16.
template <typename Level, typename Product>
struct FusedAttention {
  using A = typename Product::A;
  // All levels share one layout of floats, because these aren't rounded.
  using QkvLayout = RowLayout<std::conditional_t<std::is_same_v<A, float>, void, Level>, A>;
  static constexpr Index MR = Product::MR, NR = Product::NR, group = Product::group;
  static constexpr bool rounded = !std::is_same_v<A, float>;
  static_assert(std::is_same_v<A, typename Product::Panel> && std::is_same_v<typename Product::Sum, float>);

  static constexpr Index groups(Index k) { return detail::ceil_div(k, group); }
  static constexpr Index padded(Index n) { return detail::round_up(n, NR); }

  /// The scratch memory of a call, in this order.
  struct Scratch {
    A* keys;        // (ceil(N/NR), groups(D), NR, group)
    A* values;      // (ceil(D/NR), groups(N), NR, group)
    A* tile;        // (groups(max(N, D)), MR, group): queries, and later the softmax's weights
    float* scores;  // (MR, padded(N)), then relative_position_slack
    A* weights;     // (MR, padded(N)): the scores as A, unless that is float
  };
  static Index scratch_bytes(Index n, Index d) { return lay_out(n, d, nullptr).second; }

  static void run(const AttentionCall& a, std::byte* memory) {
    const Index n = a.tokens(), d = a.head_dim(), padded_n = padded(n), ld = QkvLayout::stride(a.qkv->columns);
    const Scratch scratch = lay_out(n, d, memory).first;
    using Packing = typename Level::Packing;
    const A* const queries = QkvLayout::row(*a.qkv, a.segment, 0) + a.column();
    pack_rows<Packing, group>(queries + a.out->columns, ld, n, d, groups(d) * group, NR, scratch.keys);
    pack_columns<Packing, NR, group>(queries + 2 * a.out->columns, ld, n, d, groups(n) * group, scratch.values);
    std::fill_n(scratch.scores, MR * padded_n, 0.0f);  // missing rows are multiplied, too
    alignas(64) Array<float, MR * NR> sums;
    for (Index row = 0; row < n; row += MR) {
      const Index rows = std::min(MR, n - row);
      for (Index i = 0; i < rows; ++i) {
        float* const score = scratch.scores + i * padded_n;
        if (a.bias_table != nullptr) {
          expand_relative_position_bias(a.bias_table, a.grid, row + i, &Level::copy_with_overrun, score);
        } else {
          std::fill_n(score, n, 0.0f);
        }
      }
      interleave_tile(queries + row * ld, ld, rows, d, scratch.tile);
      for (Index key = 0; key < n; key += NR) {
        multiply(scratch.tile, scratch.keys + key * groups(d) * group, groups(d), sums, n - key, rows);
        for (Index i = 0; i < rows; ++i) {
          Level::add_scaled(scratch.scores + i * padded_n + key, sums + i * NR, a.scale, std::min(NR, n - key));
        }
      }
      Array<float, MR> reciprocal;
      for (Index i = 0; i < rows; ++i) {
        reciprocal[i] = Level::template softmax_row<rounded>(scratch.scores + i * padded_n, n);
      }
      const A* weights;
      if constexpr (rounded) {
        for (Index i = 0; i < rows; ++i) {
          Level::round(scratch.scores + i * padded_n, n, groups(n) * group, scratch.weights + i * padded_n);
        }
        weights = scratch.weights;
      } else {
        weights = scratch.scores;
      }
      interleave_tile(weights, padded_n, rows, groups(n) * group, scratch.tile);
      for (Index channel = 0; channel < d; channel += NR) {
        multiply(scratch.tile, scratch.values + channel * groups(n) * group, groups(n), sums, d - channel, rows);
        const Index columns = std::min(NR, d - channel);
        for (Index i = 0; i < rows; ++i) Level::multiply(sums + i * NR, reciprocal[i], columns);
        a.out->write(a.segment, row, rows, a.column() + channel, columns, sums, NR);
      }
    }
  }

  static constexpr AttentionKernel kernel() { return {&QkvLayout::layout, &scratch_bytes, &run}; }

 private:
  static std::pair<Scratch, Index> lay_out(Index n, Index d, std::byte* memory) {
    Index used = 0;
    const auto take = [&](Index bytes) {
      std::byte* const at = memory == nullptr ? nullptr : memory + used;
      used += detail::round_up_to_cache_line(bytes);
      return at;
    };
    constexpr Index size = sizeof(A);
    Scratch scratch;
    scratch.keys = reinterpret_cast<A*>(take(padded(n) * groups(d) * group * size));
    scratch.values = reinterpret_cast<A*>(take(padded(d) * groups(n) * group * size));
    scratch.tile = reinterpret_cast<A*>(take(groups(std::max(n, d)) * MR * group * size));
    scratch.scores =
        reinterpret_cast<float*>(take((MR * padded(n) + relative_position_slack) * static_cast<Index>(sizeof(float))));
    scratch.weights = reinterpret_cast<A*>(take(rounded ? MR * padded(n) * size : 0));
    return {scratch, used};
  }

  /// Makes a row tile of x (rows, d), rows ld apart: out (groups(d), MR, group), zeros beyond x.
  static void interleave_tile(const A* x, Index ld, Index rows, Index d, A* out) {
    constexpr Index size = sizeof(A), strip = 64 * group;
    if (rows == MR && d % group == 0) {
      return Level::Packing::template interleave<MR, group * size>(reinterpret_cast<const std::byte*>(x), ld * size,
                                                                   d / group, reinterpret_cast<std::byte*>(out));
    }
    for (Index begin = 0; begin < d; begin += strip, out += strip * MR) {
      const Index count = std::min(strip, d - begin);
      Array<Array<A, strip>, MR> padded_rows = {};
      for (Index i = 0; i < rows; ++i) std::copy_n(x + i * ld + begin, count, padded_rows[i]);
      Level::Packing::template interleave<MR, group * size>(reinterpret_cast<const std::byte*>(padded_rows),
                                                            strip * size, groups(count),
                                                            reinterpret_cast<std::byte*>(out));
    }
  }

  /// sums (MR, NR) = a row tile times a panel, summed in chunks. Only the first `columns` of the first `rows` rows are
  /// wanted.
  static void multiply(const A* tile, const A* panel, Index depth, float* sums, Index columns, Index rows) {
    for (Index i = 0; i < depth; i += Product::chunk) {
      Product::tile(tile + i * MR * group, panel + i * NR * group, std::min(Product::chunk, depth - i), sums, i > 0,
                    columns, rows);
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
