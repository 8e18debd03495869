// The layout of activations row by row, which attention reads because it takes the columns of each head.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Rows of elements of type A: float, or bfloat16 rounded by the Level's arithmetic. Each row is padded with zeros to a
/// multiple of 32 elements.
template <typename Level, typename A>
struct RowLayout {
  static constexpr Index stride(Index columns) { return detail::round_up(columns, 32); }  // in elements
  static Index bytes(Index rows, Index columns) { return rows * stride(columns) * static_cast<Index>(sizeof(A)); }

  /// The beginning of a row; rows are stride(a.columns) elements apart.
  static A* row(const Activations& a, Index segment, Index row) {
    return reinterpret_cast<A*>(a.data) + (segment * a.segment_rows + row) * stride(a.columns);
  }

  static void write(const Activations& to, Index segment, Index first, Index rows, Index column, Index columns,
                    const float* from, Index ld) {
    for (Index i = 0; i < rows; ++i, from += ld) {
      A* const out = row(to, segment, first + i);
      if constexpr (std::is_same_v<A, float>) {
        std::copy_n(from, columns, out + column);
      } else {
        Level::round(from, columns, columns, out + column);
      }
      if (column + columns == to.columns) std::fill(out + to.columns, out + stride(to.columns), A{});
    }
  }

  static void read(const Activations& from, Index segment, Index first, Index column, Index columns, float* out) {
    const A* const in = row(from, segment, first) + column;
    if constexpr (std::is_same_v<A, float>) {
      std::copy_n(in, columns, out);
    } else {
      std::transform(in, in + columns, out, bfloat16_to_float);
    }
  }

  static constexpr Layout layout{1, std::is_same_v<A, float> ? NumberFormat::none : NumberFormat::bfloat16, &bytes,
                                 &write, &read};
};

/// Plain rows of floats, for work on whole rows (a norm) before a product reads them.
inline constexpr const Layout& float_rows = RowLayout<void, float>::layout;

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
