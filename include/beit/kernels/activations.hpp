// What a product reads: activations, in the layout of the kernel that will read them.
#pragma once

#include <algorithm>
#include <cstddef>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// T[size] of a size that is an Index.
template <typename T, Index size>
using Array = T[static_cast<std::size_t>(size)];

/// What is left of a float where it is multiplied.
enum class NumberFormat {
  none,       ///< All of it.
  two_parts,  ///< About 16 bits: the sum of two bfloat16.
  bfloat16,   ///< The nearest bfloat16.
  int8,       ///< An integer in [-127, 127] times a scale of the row's.
};

struct Activations;

/// How one kernel keeps the rows that it reads. Rows stand in tiles of row_tile; where a tile has fewer, the rest of it
/// is zero.
struct Layout {
  Index row_tile;
  NumberFormat number_format;
  Index (*bytes)(Index rows, Index columns);  // for a multiple of row_tile rows
  /// As Activations::write and read, without the staging.
  void (*write)(const Activations& to, Index segment, Index row, Index rows, Index column, Index columns,
                const float* from, Index ld);
  void (*read)(const Activations& from, Index segment, Index row, Index column, Index columns, float* out);
};

/// (segments * segment_rows, columns), a view: segments of rows, say the tokens of an image each, which begin with a
/// tile of their own. Where they lie and how they are rounded is the layout's business: numbers go in by write and come
/// out by read.
///
/// Threads may write different columns or tiles at the same time.
struct Activations {
  const Layout* layout = nullptr;
  std::byte* data = nullptr;
  float* scales = nullptr;  // (padded_rows(),), where numbers are int8
  float* staged = nullptr;  // (segments * segment_rows, columns), where rows come in parts but must be known whole
  Index segments = 0, segment_rows = 0, columns = 0;
  Index segment_tiles = 0;  // of a segment

  /// Rows that stand together.
  struct RowTile {
    Index segment, row, rows;
  };

  /// Memory of such activations; `partial_writes`: some writes will have less than all columns.
  static Index bytes(const Layout& layout, Index segments, Index segment_rows, Index columns, bool partial_writes) {
    const Activations shape = on(layout, nullptr, segments, segment_rows, columns, partial_writes);
    return shape.data_bytes() + shape.scale_bytes() + shape.staged_bytes(partial_writes);
  }
  /// In such memory, aligned to 64 bytes.
  static Activations on(const Layout& layout, std::byte* memory, Index segments, Index segment_rows, Index columns,
                        bool partial_writes) {
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
  /// Where a row stands among all, those that pad tiles included.
  Index padded_row(Index segment, Index row) const { return segment * segment_tiles * layout->row_tile + row; }
  RowTile tile(Index t) const {
    const Index row = t % segment_tiles * layout->row_tile;
    return {t / segment_tiles, row, std::min(layout->row_tile, segment_rows - row)};
  }

  /// Takes `rows` rows of a segment and of those `columns` columns: from (rows, columns), rows ld apart.
  void write(Index segment, Index row, Index rows, Index column, Index count, const float* from, Index ld) const {
    if (staged == nullptr) return layout->write(*this, segment, row, rows, column, count, from, ld);
    for (Index i = 0; i < rows; ++i) {
      std::copy_n(from + i * ld, count, staged + (segment * segment_rows + row + i) * columns + column);
    }
  }
  /// All columns of a tile.
  void write(const RowTile& tile, const float* from, Index ld) const {
    layout->write(*this, tile.segment, tile.row, tile.rows, 0, columns, from, ld);
  }
  /// Once all of a tile is written.
  void complete(const RowTile& tile) const {
    if (staged != nullptr) write(tile, staged + (tile.segment * segment_rows + tile.row) * columns, columns);
  }
  bool completes() const { return staged != nullptr; }

  /// The numbers that are multiplied: out (count,), columns from `column` of a row.
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
