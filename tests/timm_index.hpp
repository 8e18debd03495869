// timm.models.beit.gen_relative_position_index.
#pragma once

#include <beit/core/matrix.hpp>

namespace beit_test {

/// The row of the table of relative positions for a query and a key in this grid of patches; token 0 is the class
/// token.
inline beit::Index timm_index(beit::Size grid, beit::Index query, beit::Index key) {
  const beit::Index positions = (2 * grid.height - 1) * (2 * grid.width - 1) + 3;
  if (query == 0 && key == 0) return positions - 1;
  if (query == 0) return positions - 3;
  if (key == 0) return positions - 2;
  const beit::Index dy = (query - 1) / grid.width - (key - 1) / grid.width + grid.height - 1;
  const beit::Index dx = (query - 1) % grid.width - (key - 1) % grid.width + grid.width - 1;
  return dy * (2 * grid.width - 1) + dx;
}

}  // namespace beit_test
