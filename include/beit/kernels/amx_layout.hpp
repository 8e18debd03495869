// The layout of activations in tiles, as products on AMX's tile registers read them.
//
// A tile is 16 rows of 64 bytes: a slice of k (32 bfloat16 or 64 bytes). The parts of floats are consecutive tiles. Row
// tiles stand in pairs, slice after slice of both. All pairs of one chunk of k come before those of the next, so that
// products read a single stream of memory while a chunk of weights stays in the cache. With chunks of L slices and T
// row tiles, slice b of row tile t begins at tile
//   (c * L * T + t / 2 * 2 * L_c + (b % L) * s + t % s) * parts,  c = b / L,
// where L_c, the number of slices in chunk c, is L for all but the last chunk, and s is 2, or 1 for an unpaired last
// row tile.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/packing.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// `Product` is one of kernels/amx.hpp, with the constants slice, chunk and parts, and
///   encode(x, count, inverse, out): writes up to a slice of numbers, and zeros after them, as `parts` rows of tiles, 1
///     KB apart; multiplies integers by `inverse` first.
template <typename Product>
struct TileLayout {
  static constexpr Index rows = 16, row_bytes = 64, tile_bytes = rows * row_bytes;
  static constexpr Index slice = Product::slice, chunk = Product::chunk, parts = Product::parts;
  static constexpr Index element = row_bytes / slice;  // bytes

  static constexpr Index slices(Index k) { return detail::ceil_div(k, slice); }
  static Index bytes(Index padded_rows, Index columns) { return padded_rows * slices(columns) * parts * row_bytes; }

  /// Slice `b` of a row tile; within the chunk, the next slice is step(a, t) bytes away.
  static std::byte* tile(const Activations& a, Index t, Index b) {
    const Index begin = b / chunk * chunk, length = std::min(chunk, slices(a.columns) - begin);
    const Index size = paired(a, t) ? 2 : 1;
    return a.data + (begin * a.tiles() + t / 2 * 2 * length + (b - begin) * size + t % size) * parts * tile_bytes;
  }
  static Index step(const Activations& a, Index t) { return (paired(a, t) ? 2 : 1) * parts * tile_bytes; }

  BEIT_TARGET_AMX static void write(const Activations& to, Index segment, Index row, Index count, Index column,
                                    Index columns, const float* from, Index ld) {
    const Index end = column + columns;
    if constexpr (Product::number_format != NumberFormat::int8) {
      // The usual result of a product: a whole slice of rows of one tile, before the segment's end.
      const Index first = to.padded_row(segment, row);
      if (column % slice == 0 && columns == slice && first % rows + count <= rows && row + count < to.segment_rows) {
        std::byte* out = tile(to, first / rows, column / slice) + first % rows * row_bytes;
        for (; count > 0; --count, from += ld, out += row_bytes) Product::encode(from, slice, 0, out);
        return;
      }
    }
    for (Index i = 0; i < count; ++i, from += ld) {
      const Index padded = to.padded_row(segment, row + i);
      float inverse = 0;
      if constexpr (Product::number_format == NumberFormat::int8) {
        const float largest = Avx512::largest_magnitude(from, columns);
        to.scales[padded] = largest / int8_limit;
        inverse = inverse_int8_scale(largest);
      }
      // The write of a segment's last row also zeroes the rows that fill up its last row tile.
      const Index pads = row + i + 1 == to.segment_rows ? to.segment_tiles * rows - to.segment_rows : 0;
      for (Index c = column; c < end;) {
        const Index begin = c / slice * slice, n = std::min(begin + slice, end) - c;
        std::byte* const out = tile(to, padded / rows, c / slice) + padded % rows * row_bytes;
        if (c == begin && (n == slice || end == to.columns)) {
          Product::encode(from + c - column, n, inverse, out);
        } else {
          merge(from + c - column, n, (c - begin) * element, end == to.columns, inverse, out);
        }
        for (Index part = 0; pads > 0 && part < parts; ++part) {
          std::fill_n(out + part * tile_bytes + row_bytes, pads * row_bytes, std::byte{0});
        }
        c += n;
      }
    }
  }

  static void read(const Activations& from, Index segment, Index row, Index column, Index columns, float* out) {
    const Index padded = from.padded_row(segment, row);
    for (Index c = column; c < column + columns; ++c) {
      const std::byte* at = tile(from, padded / rows, c / slice) + padded % rows * row_bytes + c % slice * element;
      if constexpr (Product::number_format == NumberFormat::int8) {
        *out++ = static_cast<float>(std::to_integer<int>(*at) - 128) * from.scales[padded];
      } else {
        float sum = 0;
        for (Index part = parts - 1; part >= 0; --part) {
          std::uint16_t bits;
          std::memcpy(&bits, at + part * tile_bytes, sizeof(bits));
          sum += bfloat16_to_float(bits);
        }
        *out++ = sum;
      }
    }
  }

  static constexpr Layout layout{rows, Product::number_format, &bytes, &write, &read};

 private:
  static bool paired(const Activations& a, Index t) { return (t | 1) < a.tiles(); }

  /// Writes part of a row whose other elements belong to other threads: `count` numbers from byte `offset` on, and
  /// zeros to the row's end if `last`.
  BEIT_TARGET_AMX static void merge(const float* x, Index count, Index offset, bool last, float inverse,
                                    std::byte* out) {
    alignas(64) Array<std::byte, parts * tile_bytes> encoded;
    Product::encode(x, count, inverse, encoded);
    const Index size = last ? row_bytes - offset : count * element;
    for (Index part = 0; part < parts; ++part) {
      std::memcpy(out + part * tile_bytes + offset, encoded + part * tile_bytes, static_cast<std::size_t>(size));
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS
