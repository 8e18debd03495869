// The packed product, written once for every level and precision on top of small primitives.
//
// Packing: w (n, k) row-major becomes panels of NR columns of the result, zero-padded, in groups of G consecutive
// numbers along k (as many as one instruction multiplies and adds in a lane: 1 float, 2 numbers of 16 bits, 4 of 8;
// twice as many if it multiplies matrices),
//   panel p: stored[((i / G) * NR + j) * G + i % G] = w[(p * NR + j) * k + i],  i < depth(k),
// which is the order in which the inner loop reads it (the "B panel" of Goto's algorithm, as in BLIS; oneDNN calls the
// groups VNNI layout). Quantised panels end with NR scales and NR offsets (int32). Activations lie in similar panels of
// MR rows: kernels/panel_layout.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/chunk_walk.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/panel_layout.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Applies the epilogue to the sums of `rows` rows of a segment from `row` on and `columns` columns from `column` on.
/// sum (rows, columns), rows ld apart, may be overwritten; ld is the level's column_tile.
template <typename Level>
void apply_epilogue(const GemmCall& g, Index segment, Index row, Index rows, Index column, Index columns, float* sum,
                    Index ld) {
  if (g.sums != nullptr) {
    float* const to = g.sums + (column / ld * g.a->padded_rows() + g.a->padded_row(segment, row)) * ld;
    const Epilogue epilogue = g.add ? Epilogue::bias_residual : Epilogue::bias;
    return Level::finish(sum, ld, rows, columns, nullptr, nullptr, epilogue, false, to, ld);
  }
  const float* bias = g.bias == nullptr ? nullptr : g.bias + column;
  if (g.into == nullptr) {
    float* out = g.out + segment * g.segment_stride + row * g.ldo + column;
    const float* scale = g.scale == nullptr ? nullptr : g.scale + column;
    return Level::finish(sum, ld, rows, columns, bias, scale, g.epilogue, false, out, g.ldo);
  }
  const NumberFormat number_format = g.into->layout->number_format;
  const bool rounded = number_format == NumberFormat::bfloat16 || number_format == NumberFormat::int8;
  if (bias != nullptr || g.epilogue != Epilogue::bias) {
    Level::finish(sum, ld, rows, columns, bias, nullptr, g.epilogue, rounded, sum, ld);
  }
  g.into->write(segment, row, rows, column, columns, sum, ld);
}

/// The driver, on top of
///   Level: the functions of kernels/arithmetic.inl, and Packing (see kernels/packing.hpp);
///   Product: the constants MR and NR (the tile), group and chunk (groups of k per chunk), and
///     A, Stored, Panel, Sum: the types of a's elements, of a packed panel's in memory, of those that tile reads, and
///       of sums;
///     tile(a, panel, groups, sum, add, used, used_rows): see kernels/panel_tile.inl.
template <typename Level, typename Product>
struct PackedGemm {
  using A = typename Product::A;
  using Stored = typename Product::Stored;
  using Panel = typename Product::Panel;
  using Sum = typename Product::Sum;
  static constexpr Index MR = Product::MR, NR = Product::NR, group = Product::group, chunk = Product::chunk;
  static constexpr Index short_sum = 16;
  static constexpr Index line_floats = 16;  // of a cache line
  static constexpr bool quantised = std::is_same_v<Sum, std::int32_t>;
  static constexpr bool widened = !std::is_same_v<Stored, Panel>;
  using InputLayout = PanelLayout<Level, A, MR, group, chunk>;

  static constexpr Index groups(Index k) { return detail::ceil_div(k, group); }
  /// Bytes of a panel's elements, a multiple of a cache line.
  static constexpr Index element_bytes(Index k) {
    return detail::round_up_to_cache_line(groups(k) * group * NR * static_cast<Index>(sizeof(Stored)));
  }
  static Index panel_bytes(Index k) {
    constexpr Index scales = NR * static_cast<Index>(sizeof(float) + sizeof(std::int32_t));
    return element_bytes(k) + (quantised ? detail::round_up_to_cache_line(scales) : 0);
  }

  static void pack(const float* w, Index n, Index k, std::byte* packed) {
    using Packing = typename Level::Packing;
    using Encoder = PanelEncoder<Level, Stored, NR>;
    constexpr Index K = Encoder::strip, group_bytes = group * static_cast<Index>(sizeof(Stored));
    for (Index p = 0; p < detail::ceil_div(n, NR); ++p, packed += panel_bytes(k)) {
      const float* columns = w + p * NR * k;
      const Index count = std::min(NR, n - p * NR);
      Encoder encoder(columns, count, k);
      std::byte* to = packed;
      for (Index begin = 0; begin < k; begin += K) {
        const Index depth = std::min(K, k - begin);
        for (Index j = 0; j < NR; j += packed_strip_rows) {
          alignas(64) Array<Array<Stored, K>, packed_strip_rows> strip = {};
          const std::byte* rows = reinterpret_cast<const std::byte*>(strip);
          Index stride = packed_strip_bytes;
          const float* column = columns + j * k + begin;
          if (std::is_same_v<Stored, float> && depth == K && j + packed_strip_rows <= count) {
            rows = reinterpret_cast<const std::byte*>(column);  // need no encoding
            stride = k * static_cast<Index>(sizeof(float));
          } else {
            for (Index i = 0; i < std::min(packed_strip_rows, count - j); ++i) {
              encoder.encode(column + i * k, depth, j + i, strip[i]);
            }
          }
          interleave<Packing, group_bytes>(rows, stride, groups(depth), to + j * group_bytes, NR * group_bytes);
        }
        to += groups(depth) * NR * group_bytes;
      }
      std::fill(to, packed + element_bytes(k), std::byte{0});
      if constexpr (quantised) encoder.store_scales(std::is_unsigned_v<A>, packed + element_bytes(k));
    }
  }

  /// The row tiles of four images of 224 pixels, or of one of up to 448: each weight is read once for all of them.
  static Index tiles_per_call(Index) { return detail::ceil_div(800, MR); }

  static Index scratch_bytes(Index tiles, Index columns, Index k) {
    const Index sums = tiles * MR * NR * (section(tiles, k) < groups(k) ? detail::ceil_div(columns, NR) : 1);
    return detail::round_up_to_cache_line(sums * static_cast<Index>(sizeof(Sum))) + wide_bytes;
  }

  static void run(const GemmCall& g, Index tile0, Index tile1, Index column0, Index column1, std::byte* scratch) {
    if (tile0 >= tile1 || column0 >= column1) return;
    // A chunk of a panel stays in the nearest cache while the call's rows pass by, and the next chunk is fetched from
    // memory meanwhile. Summing in chunks also keeps rounding errors from growing with k.
    const Index k = g.k(), tiles = tile1 - tile0;
    Panel* const wide = reinterpret_cast<Panel*>(scratch);
    Sum* const all_sums = reinterpret_cast<Sum*>(scratch + wide_bytes);
    const auto stored = [&](const ChunkWalk& at) {
      return reinterpret_cast<const Stored*>(g.packed + at.panel * panel_bytes(k)) + at.begin * group * NR;
    };
    const Index sum_length = g.short_sums ? short_sum : chunk;
    ChunkWalk walk{groups(k), chunk, section(tiles, k), column0 / NR, detail::ceil_div(column1, NR)};
    for (bool more = true; more;) {
      const ChunkWalk at = walk;
      more = walk.advance();
      Prefetch ahead;  // at the end of a call, of the panel that the next call probably reads
      if (walk.panel * NR < g.n) {
        const Index bytes = walk.count() * group * NR * static_cast<Index>(sizeof(Stored));
        ahead = Prefetch(reinterpret_cast<const std::byte*>(stored(walk)), bytes);
      }
      const Index share = ahead.lines() / tiles + 1;
      const Panel* panel;
      if constexpr (widened) {
        Level::widen(stored(at), at.count() * group * NR, wide);
        panel = wide;
      } else {
        panel = stored(at);
      }
      Sum* sum = all_sums + (at.splits_depth() ? (at.panel - at.panel0) * tiles * MR * NR : 0);
      const bool in_place = g.sums != nullptr && !g.add;
      if constexpr (!quantised) {
        if (in_place) sum = g.sums + (at.panel * g.a->tiles() + tile0) * MR * NR;
      }
      for (Index t = tile0; t < tile1; ++t, sum += MR * NR) {
        ahead.fetch(share);
        const Activations::RowTile tile = g.a->tile(t);
#if defined(__GNUC__)
        // Fetches what the epilogue will add to or overwrite while the tile is multiplied. It isn't a function, because
        // GCC 12 drops calls of one that only prefetches, as without effects.
        if (at.last() && g.into == nullptr && !in_place) {
          const float* row = g.sums != nullptr
                                 ? g.sums + (at.panel * g.a->tiles() + t) * MR * NR
                                 : g.out + tile.segment * g.segment_stride + tile.row * g.ldo + at.panel * NR;
          for (Index i = 0; i < tile.rows; ++i, row += g.sums != nullptr ? NR : g.ldo) {
            for (Index j = 0; j < NR; j += line_floats) __builtin_prefetch(row + j);
          }
        }
#endif
        const A* const rows = InputLayout::tile(*g.a, t, at.begin);
        for (Index i = 0; i < at.count(); i += sum_length) {
          Product::tile(rows + i * MR * group, panel + i * NR * group, std::min(sum_length, at.count() - i), sum,
                        i > 0 || !at.first(), g.n - at.panel * NR, tile.rows);
        }
        if (at.last() && !in_place) finish(g, t, tile, at.panel, sum);
      }
    }
  }

  static constexpr GemmKernel kernel() {
    return {&InputLayout::layout, 1, NR, &panel_bytes, &pack, &tiles_per_call, &scratch_bytes, &run};
  }

 private:
  static constexpr Index wide_bytes =
      widened ? detail::round_up_to_cache_line(chunk * group * NR * static_cast<Index>(sizeof(Panel))) : 0;

  /// The groups of k per section, a multiple of chunk: as many as let a call's activations fill most of a second-level
  /// cache.
  static Index section(Index tiles, Index k) {
    constexpr Index bytes = 900 << 10;
    const Index fit = std::max<Index>(1, bytes / (tiles * MR * 4 * chunk)) * chunk;
    return fit >= groups(k) ? std::max<Index>(1, groups(k)) : fit;
  }

  static void finish(const GemmCall& g, Index t, const Activations::RowTile& tile, Index panel, Sum* sum) {
    const Index column = panel * NR, columns = std::min(NR, g.n - column);
    if constexpr (quantised) {
      const std::byte* tail = g.packed + panel * panel_bytes(g.k()) + element_bytes(g.k());
      alignas(64) float floats[static_cast<std::size_t>(MR * NR)];  // (MR, NR)
      Level::template dequantise<NR>(sum, tile.rows, g.a->scales + t * MR, reinterpret_cast<const float*>(tail),
                                     reinterpret_cast<const std::int32_t*>(tail) + NR, floats);
      apply_epilogue<Level>(g, tile.segment, tile.row, tile.rows, column, columns, floats, NR);
    } else {
      apply_epilogue<Level>(g, tile.segment, tile.row, tile.rows, column, columns, sum, NR);
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
