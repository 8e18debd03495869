// How a matrix product is divided into tasks for threads.
#pragma once

#include <algorithm>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The part of a product that is one task: so many row tiles of x by so many columns of the result.
struct TaskShape {
  Index tiles;
  Index columns;
};

/// Divides the product of `row_tiles` row tiles of x (.., inputs) with W (outputs, inputs) among `threads` threads.
///
/// A task's rows of x stay in a cache while panels of W pass by. So few threads get large tasks, as many rows as one
/// call of the kernel makes good use of by about 256 columns, and these are halved, columns first, until there are 3
/// tasks per thread or a task is the smallest that the kernel has.
/// Then a task gets up to a half fewer columns if the threads end more evenly so: they take tasks one by one, and the
/// last to end counts.
[[nodiscard]] inline TaskShape task_shape(const kernels::GemmKernel& kernel, Index row_tiles, Index outputs,
                                          Index inputs, Index threads) {
  const Index step = kernel.tile_step, tile = kernel.column_tile;
  const auto tasks = [&](const TaskShape& shape) {
    return ceil_div(row_tiles, shape.tiles) * ceil_div(outputs, shape.columns);
  };
  const auto halved = [](Index n, Index unit) { return std::max(unit, n / 2 / unit * unit); };
  TaskShape shape{std::max(step, kernel.tiles_per_call(inputs) / step * step), tile * std::max<Index>(1, 256 / tile)};
  while (shape.columns > tile && tasks(shape) < 3 * threads) shape.columns = halved(shape.columns, tile);
  while (shape.tiles > step && tasks(shape) < 3 * threads) shape.tiles = halved(shape.tiles, step);
  if (threads == 1) return shape;
  const auto columns_of_busiest_thread = [&](Index columns) {
    return ceil_div(tasks({shape.tiles, columns}), threads) * columns;
  };
  const Index least = std::max(tile, shape.columns / 2);
  for (Index columns = shape.columns - tile; columns >= least; columns -= tile) {
    if (columns_of_busiest_thread(columns) < columns_of_busiest_thread(shape.columns)) shape.columns = columns;
  }
  return shape;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
