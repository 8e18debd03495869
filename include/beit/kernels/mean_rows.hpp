// The mean of rows, which is too little of a pass to have more than one level.
#pragma once

#include <algorithm>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// out (C,) = the mean of `rows` rows of x, which are ldx apart; summed in double precision.
inline void mean_rows(const float* x, Index ldx, Index rows, Index c, float* out) {
  constexpr Index strip = 64;
  for (Index begin = 0; begin < c; begin += strip) {
    const Index width = std::min(strip, c - begin);
    double sums[strip] = {};
    for (Index row = 0; row < rows; ++row) {
      for (Index i = 0; i < width; ++i) sums[i] += static_cast<double>(x[row * ldx + begin + i]);
    }
    for (Index i = 0; i < width; ++i) out[begin + i] = static_cast<float>(sums[i] / static_cast<double>(rows));
  }
}

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
