// The types of sizes and positions, and their products, division and rounding.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <new>

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The type of sizes, counts and positions: signed, like Eigen's.
using Index = std::ptrdiff_t;

/// Height and width, in pixels or patches.
struct Size {
  Index height = 0;  ///< Number of rows.
  Index width = 0;   ///< Number of columns.

  /// height * width.
  Index area() const { return height * width; }
  /// True if both sides are equal.
  bool operator==(const Size&) const = default;
};

namespace detail {

/// The product of factors that say how much memory is wanted. std::bad_array_new_length, a std::bad_alloc, where one is
/// negative or the product exceeds Index, as 2 GB do in WebAssembly.
constexpr Index memory_size(std::initializer_list<Index> factors) {
  Index product = 1;
  for (const Index factor : factors) {
    if (factor < 0 || (factor > 0 && product > std::numeric_limits<Index>::max() / factor)) {
      throw std::bad_array_new_length();
    }
    product *= factor;
  }
  return product;
}

/// n / divisor, rounded up; n at least 0.
constexpr Index ceil_div(Index n, Index divisor) { return (n + divisor - 1) / divisor; }

/// The smallest multiple of `step` that is at least n.
constexpr Index round_up(Index n, Index step) { return ceil_div(n, step) * step; }

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
