// The product of a row tile and a panel, written once for every instruction set and type.
//
// This file doesn't compile alone. A product's struct includes it where BEIT_TARGET is its target attribute; the struct
// has the vector type V, the constants MR and NR, the types A, Panel and Sum, and
//   dot(s, x, b): s + x * b, summed over each group; x is one row's group in every lane, b a vector of a panel's
//     columns.

/// The consecutive numbers along k that are multiplied together.
static constexpr Index group = 4 / static_cast<Index>(sizeof(A));

/// The rows that are multiplied at most if a tile has few, in about half of its time.
static constexpr Index few_rows = MR / 2;

/// tile() for the first `columns` vectors of columns and the first `rows` rows.
template <Index columns, Index rows = MR>
BEIT_TARGET static void tile_of(const A* a, const Panel* panel, Index groups, Sum* sum, bool add) {
  constexpr Index vector = V::lanes * group;
  decltype(V::zeros(sum)) s[static_cast<std::size_t>(rows)][static_cast<std::size_t>(columns)];
#pragma GCC unroll 16
  for (Index r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (Index c = 0; c < columns; ++c) s[r][c] = V::zeros(sum);
  }
  for (Index i = 0; i < groups; ++i, a += MR * group, panel += NR * group) {
    decltype(V::factors(panel)) b[static_cast<std::size_t>(columns)];
#pragma GCC unroll 4
    for (Index c = 0; c < columns; ++c) b[c] = V::factors(panel + c * vector);
#pragma GCC unroll 16
    for (Index r = 0; r < rows; ++r) {
      const auto x = V::broadcast(a + r * group);
#pragma GCC unroll 4
      for (Index c = 0; c < columns; ++c) s[r][c] = dot(s[r][c], x, b[c]);
    }
  }
#pragma GCC unroll 16
  for (Index r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (Index c = 0; c < columns; ++c) {
      if (add) {
        V::add_to(sum + r * NR + c * V::lanes, s[r][c]);
      } else {
        V::put(sum + r * NR + c * V::lanes, s[r][c]);
      }
    }
  }
}

/// sum (MR, NR) = a x panel, or += if `add`; a (groups, MR, group), panel (groups, NR, group). Only the first `used`
/// columns of the first `used_rows` rows are wanted: vectors beyond them may be left as they are.
BEIT_TARGET static void tile(const A* a, const Panel* panel, Index groups, Sum* sum, bool add, Index used,
                             Index used_rows) {
  if (used_rows <= few_rows) return tile_of<NR / V::lanes, few_rows>(a, panel, groups, sum, add);
  if constexpr (NR / V::lanes > 2) {
    if (used <= NR - 2 * V::lanes) return tile_of<NR / V::lanes - 2>(a, panel, groups, sum, add);
  }
  if constexpr (NR / V::lanes > 1) {
    if (used <= NR - V::lanes) return tile_of<NR / V::lanes - 1>(a, panel, groups, sum, add);
  }
  tile_of<NR / V::lanes>(a, panel, groups, sum, add);
}
