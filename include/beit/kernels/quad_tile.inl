// The product of a row tile and a panel in registers of four sums.
//
// This file doesn't compile alone. It replaces panel_tile.inl in a product's struct that also has the type `Vector` of
// four sums, the constant `word`, the bytes of a group, and
//   step<columns>(a, panel, s): adds the products of one group of k and the first `columns` vectors of the panel's
//     columns; always inlined, or the sums would go through memory.
// If a word has 4 bytes, s[r][c] holds the sums of row r and four columns. If it has 8, a register holds a 2 x 2
// matrix: of rows r and r + 1 (r even), s[r][c] has the first two of four columns and s[r + 1][c] the other two.

/// The consecutive numbers along k that are multiplied together.
static constexpr Index group = word / static_cast<Index>(sizeof(A));

/// tile() for the first `columns` vectors of columns.
template <Index columns, typename Registers = V>
BEIT_TARGET static void tile_of(const A* a, const Panel* panel, Index groups, Sum* sum, bool add) {
  Array<Array<Vector, columns>, MR> s;
#pragma GCC unroll 8
  for (Index r = 0; r < MR; ++r) {
#pragma GCC unroll 4
    for (Index c = 0; c < columns; ++c) s[r][c] = Vector{};
  }
  for (Index i = 0; i < groups; ++i, a += MR * group, panel += NR * group) step<columns>(a, panel, s);
#pragma GCC unroll 8
  for (Index r = 0; r < MR; ++r) {
#pragma GCC unroll 4
    for (Index c = 0; c < columns; ++c) {
      Vector x = s[r][c];
      if constexpr (word == 8) x = Registers::row_of_blocks(s[r / 2 * 2][c], s[r / 2 * 2 + 1][c], r % 2);
      if (add) {
        V::add_to(sum + r * NR + c * V::lanes, x);
      } else {
        V::put(sum + r * NR + c * V::lanes, x);
      }
    }
  }
}

/// Computes what panel_tile.inl's tile does, with all rows. `columns` is the fewest vectors that `used` may need.
template <Index columns = 1>
BEIT_TARGET static void tile(const A* a, const Panel* panel, Index groups, Sum* sum, bool add, Index used,
                             Index used_rows) {
  if constexpr (columns * V::lanes < NR) {
    if (used > columns * V::lanes) return tile<columns + 1>(a, panel, groups, sum, add, used, used_rows);
  }
  tile_of<columns>(a, panel, groups, sum, add);
}
