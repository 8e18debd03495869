// Activations in the layout of the kernel that will read them.
#pragma once

#include <algorithm>
#include <cstddef>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The array type T[size] for a size of type Index.
template <typename T, Index size>
using Array = T[static_cast<std::size_t>(size)];

/// The number format in which activations are multiplied.
enum class NumberFormat {
  none,       ///< float, exactly.
  two_parts,  ///< The sum of two bfloat16 parts: about 16 bits.
  bfloat16,   ///< bfloat16, rounded to the nearest.
  int8,       ///< An integer in [-127, 127] times a scale per row.
};

struct Activations;

/// How one kernel lays out the rows that it reads. Rows stand in row tiles of row_tile rows; a tile that has fewer is
/// filled with zeros.
struct Layout {
  Index row_tile;
  NumberFormat number_format;
  Index (*bytes)(Index rows, Index columns);  // `rows` is a multiple of row_tile
  /// Implement Activations::write and read, without the staging.
  void (*write)(const Activations& to, Index segment, Index row, Index rows, Index column, Index columns,
                const float* from, Index ld);
  void (*read)(const Activations& from, Index segment, Index row, Index column, Index columns, float* out);
};

/// A view of activations (segments * segment_rows, columns). A segment holds the rows that belong together, such as the
/// tokens of one image, and begins a new row tile. Where the numbers lie and how they are rounded is up to the layout:
/// they go in by write and come out by read.
///
/// Several threads may write at the same time if their columns or row tiles differ.
struct Activations {
  const Layout* layout = nullptr;
  std::byte* data = nullptr;
  float* scales = nullptr;  // (padded_rows(),) if the format is int8
  // (segments * segment_rows, columns), or null: collects rows that are written piece by piece, because int8 needs a
  // whole row's maximum before it can encode the row.
  float* staged = nullptr;
  Index segments = 0, segment_rows = 0, columns = 0;
  Index segment_tiles = 0;  // row tiles per segment

  /// A row tile: `rows` rows of a segment from `row` on.
  struct RowTile {
    Index segment, row, rows;
  };

  /// Bytes of memory that such activations take. `partial_writes`: some writes won't have all columns of their rows.
  [[nodiscard]] static Index bytes(const Layout& layout, Index segments, Index segment_rows, Index columns,
                                   bool partial_writes) {
    const Activations shape = on(layout, nullptr, segments, segment_rows, columns, partial_writes);
    return shape.data_bytes() + shape.scale_bytes() + shape.staged_bytes(partial_writes);
  }
  /// Activations in memory of that many bytes, aligned to 64.
  [[nodiscard]] static Activations on(const Layout& layout, std::byte* memory, Index segments, Index segment_rows,
                                      Index columns, bool partial_writes) {
    Activations result{&layout,  memory,       nullptr, nullptr,
                       segments, segment_rows, columns, detail::ceil_div(segment_rows, layout.row_tile)};
    if (memory == nullptr) return result;
    if (result.scale_bytes() > 0) result.scales = reinterpret_cast<float*>(memory + result.data_bytes());
    if (result.staged_bytes(partial_writes) > 0) {
      result.staged = reinterpret_cast<float*>(memory + result.data_bytes() + result.scale_bytes());
    }
    return result;
  }

  Index rows() const { return segments * segment_rows; }
  Index tiles() const { return segments * segment_tiles; }
  Index padded_rows() const { return tiles() * layout->row_tile; }
  /// The index of a row among all rows, including those that fill up row tiles.
  Index padded_row(Index segment, Index row) const { return segment * segment_tiles * layout->row_tile + row; }
  RowTile tile(Index t) const {
    const Index row = t % segment_tiles * layout->row_tile;
    return {t / segment_tiles, row, std::min(layout->row_tile, segment_rows - row)};
  }

  /// Writes `count` columns of `rows` rows of a segment: from (rows, count), rows ld apart.
  void write(Index segment, Index row, Index rows, Index column, Index count, const float* from, Index ld) const {
    if (staged == nullptr) return layout->write(*this, segment, row, rows, column, count, from, ld);
    for (Index i = 0; i < rows; ++i) {
      std::copy_n(from + i * ld, count, staged + (segment * segment_rows + row + i) * columns + column);
    }
  }
  /// Writes all columns of a row tile.
  void write(const RowTile& tile, const float* from, Index ld) const {
    write(tile.segment, tile.row, tile.rows, 0, columns, from, ld);
  }
  /// Encodes a row tile whose rows were staged; whoever reads does so before it reads (nn/workspace.hpp).
  void encode(const RowTile& tile) const {
    const float* const from = staged + (tile.segment * segment_rows + tile.row) * columns;
    layout->write(*this, tile.segment, tile.row, tile.rows, 0, columns, from, columns);
  }

  /// Reads `count` columns of a row, as they will be multiplied: out (count,).
  void read(Index segment, Index row, Index column, Index count, float* out) const {
    layout->read(*this, segment, row, column, count, out);
  }

 private:
  Index data_bytes() const { return detail::round_up_to_cache_line(layout->bytes(padded_rows(), columns)); }
  Index scale_bytes() const {
    return layout->number_format == NumberFormat::int8
               ? detail::round_up_to_cache_line(padded_rows() * static_cast<Index>(sizeof(float)))
               : 0;
  }
  Index staged_bytes(bool partial_writes) const {
    return partial_writes && layout->number_format == NumberFormat::int8
               ? rows() * columns * static_cast<Index>(sizeof(float))
               : 0;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
