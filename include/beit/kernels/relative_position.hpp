// Expands the relative position bias of one query from a compact table.
//
// timm gathers an (N, N) matrix per head from a table of (2*Gh-1)*(2*Gw-1) + 3 rows (gen_relative_position_index):
// patch (qy, qx) sees patch (ky, kx) with the row (qy-ky+Gh-1)*(2*Gw-1) + (qx-kx+Gw-1). Read backwards, the entries
// that one query needs for one row of patches are consecutive in the table. So each head keeps its column of the table
// with the entries of patch pairs reversed, and each query copies Gh runs of Gw floats from the nearest cache instead
// of streaming N*N floats from memory.
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The number of rows of the table: one per offset between two patches, then class-to-patch, patch-to-class,
/// class-to-class.
constexpr Index relative_positions(Size grid) { return (2 * grid.height - 1) * (2 * grid.width - 1) + 3; }

/// The index in the compact table of row `i` of timm's.
constexpr Index compact_relative_position(Size grid, Index i) {
  const Index pairs = relative_positions(grid) - 3;
  return i < pairs ? pairs - 1 - i : i;
}

/// How many numbers expand_relative_position_bias may read beyond a table and write beyond N.
inline constexpr Index relative_position_slack = 16;

/// Writes the bias of token `query` for every token to out (N,), and anything to the slack after it.
/// `copy_with_overrun(x, count, out)` is a level's; it may read and write up to the slack more than `count` numbers.
inline void expand_relative_position_bias(const float* table, Size grid, Index query,
                                          void (*copy_with_overrun)(const float*, Index, float*), float* out) {
  const Index pairs = relative_positions(grid) - 3;
  if (query == 0) {
    out[0] = table[pairs + 2];
    std::fill_n(out + 1, grid.area(), table[pairs]);
    return;
  }
  out[0] = table[pairs + 1];
  const Index qy = (query - 1) / grid.width, qx = (query - 1) % grid.width;
  const float* run = table + (grid.height - 1 - qy) * (2 * grid.width - 1) + (grid.width - 1 - qx);
  float* row = out + 1;
  // A copy may run over the end of its row; the next row overwrites that.
  for (Index ky = 0; ky < grid.height; ++ky, run += 2 * grid.width - 1, row += grid.width) {
    copy_with_overrun(run, grid.width, row);
  }
}

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
