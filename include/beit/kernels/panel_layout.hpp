// The layout of activations in panels, in the order in which the inner loop of a packed product reads them.
//
// A panel holds the MR rows of a row tile side by side, in groups of G consecutive numbers along k (as many as one
// instruction multiplies and adds in a lane). All row tiles of one chunk of k come before those of the next, so that
// the tiles read a single stream of memory while a chunk of weights stays in the cache (the "A panel" of Goto's
// algorithm, as in BLIS). With chunks of L groups and T row tiles,
//   stored[((c * T * L + t * L_c + i % L) * MR + r) * G + g] = x[t * MR + r, i * G + g],  c = i / L,
// where L_c, the number of groups in chunk c, is L for all but the last chunk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>
#include <beit/kernels/packing.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Panels of elements of type A: float, bfloat16 (std::uint16_t) or quantised (std::int16_t, or std::uint8_t with 128
/// added), rounded by the Level's arithmetic.
template <typename Level, typename A, Index MR, Index G, Index chunk>
struct PanelLayout {
  static constexpr Index size = static_cast<Index>(sizeof(A));
  static constexpr NumberFormat number_format = std::is_same_v<A, float>           ? NumberFormat::none
                                                : std::is_same_v<A, std::uint16_t> ? NumberFormat::bfloat16
                                                                                   : NumberFormat::int8;

  static constexpr Index groups(Index k) { return detail::ceil_div(k, G); }
  static Index bytes(Index rows, Index columns) { return rows * groups(columns) * G * size; }

  /// The beginning of row tile t's groups from `group` on, a multiple of chunk: the groups of that chunk follow.
  static const A* tile(const Activations& a, Index t, Index group) { return at(a, t, group); }

  static void write(const Activations& to, Index segment, Index row, Index rows, Index column, Index columns,
                    const float* from, Index ld) {
    for (const Index end = row + rows; row < end;) {
      const Index begin = row / MR * MR, count = std::min(begin + MR, end) - row;
      const Index tile = segment * to.segment_tiles + row / MR;
      const bool whole = row == begin && count == std::min(MR, to.segment_rows - begin) && column % G == 0 &&
                         (columns % G == 0 || column + columns == to.columns);
      Array<float, MR> inverse = {};
      if constexpr (number_format == NumberFormat::int8) {
        for (Index r = 0; r < count; ++r) {
          const float largest = Level::largest_magnitude(from + r * ld, columns);
          to.scales[to.padded_row(segment, row + r)] = largest / int8_limit;
          inverse[r] = inverse_int8_scale(largest);
        }
      }
      constexpr Index strip = 64 * G;
      for (Index c = column; c < column + columns;) {
        const Index n = std::min({strip, column + columns - c, (c / (chunk * G) + 1) * chunk * G - c});
        const Index padded = whole ? groups(n) * G : n;
        A* const out = at(to, tile, c / G);
        const float* x = from + c - column;
        if (std::is_same_v<A, float> && whole && count == MR) {
          Level::Packing::template interleave<MR, G * size>(reinterpret_cast<const std::byte*>(x), ld * size, n / G,
                                                            reinterpret_cast<std::byte*>(out));
        } else {
          alignas(64) Array<Array<A, strip>, MR> encoded;
          if (count < MR) std::fill_n(encoded[0], MR * strip, A{});
          for (Index r = 0; r < count; ++r) encode(x + r * ld, n, padded, inverse[r], encoded[r]);
          if (whole) {
            Level::Packing::template interleave<MR, G * size>(reinterpret_cast<const std::byte*>(encoded), strip * size,
                                                              padded / G, reinterpret_cast<std::byte*>(out));
          } else {
            // The write of a segment's last row also zeroes the rows that fill up its last row tile.
            const bool ends = row + count == to.segment_rows;
            if (ends) {
              for (Index r = count; r < MR - (row - begin); ++r) std::fill_n(encoded[r], n, A{});
            }
            merge(encoded[0], strip, row - begin, ends ? MR - (row - begin) : count, c, n,
                  column + columns == to.columns, out);
          }
        }
        c += n;
      }
      from += count * ld;
      row += count;
    }
  }

  static void read(const Activations& from, Index segment, Index row, Index column, Index columns, float* out) {
    const Index tile = segment * from.segment_tiles + row / MR;
    for (Index c = column; c < column + columns; ++c) {
      const A x = at(from, tile, c / G)[row % MR * G + c % G];
      if constexpr (number_format == NumberFormat::none) {
        *out++ = x;
      } else if constexpr (number_format == NumberFormat::bfloat16) {
        *out++ = bfloat16_to_float(x);
      } else {
        const int number = x - (std::is_unsigned_v<A> ? 128 : 0);
        *out++ = static_cast<float>(number) * from.scales[from.padded_row(segment, row)];
      }
    }
  }

  static constexpr Layout layout{MR, number_format, &bytes, &write, &read};

 private:
  static A* at(const Activations& a, Index t, Index group) {
    const Index begin = group / chunk * chunk, length = std::min(chunk, groups(a.columns) - begin);
    return reinterpret_cast<A*>(a.data) + ((begin * a.tiles() + t * length + group - begin) * MR) * G;
  }

  static void encode(const float* x, Index count, Index padded, float inverse, A* out) {
    if constexpr (number_format == NumberFormat::none) {
      std::copy_n(x, count, out);
    } else if constexpr (number_format == NumberFormat::bfloat16) {
      Level::round(x, count, padded, out);
    } else {
      Level::quantise(x, count, padded, inverse, out);
    }
  }

  /// Writes `n` columns from `column` on, of `count` rows of a row tile from `row` on; `out` is the group of `column`.
  /// Stores one number at a time, because other threads may write their neighbours.
  static void merge(const A* encoded, Index ld, Index row, Index count, Index column, Index n, bool last, A* out) {
    for (Index r = 0; r < count; ++r) {
      for (Index j = 0; j < n; ++j) {
        const Index c = column % G + j;
        out[(c / G * MR + row + r) * G + c % G] = encoded[r * ld + j];
      }
      for (Index c = column % G + n; last && c % G != 0; ++c) out[(c / G * MR + row + r) * G + c % G] = A{};
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
