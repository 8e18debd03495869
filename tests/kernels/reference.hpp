// Double-precision loops that every level's kernels are held against, and random numbers for them.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/kernels.hpp>

namespace reference {

using beit::Index;

/// The kernels of every level that this processor has.
inline std::vector<beit::kernels::Kernels> all_levels() {
  std::vector<beit::kernels::Kernels> levels;
  for (int isa = 0; isa <= static_cast<int>(beit::best_isa()); ++isa) {
    levels.push_back(beit::kernels::kernels_of(static_cast<beit::Isa>(isa)));
  }
  return levels;
}

/// Normal numbers of this deviation, the same for the same seed.
inline std::vector<float> normal(Index count, unsigned seed, float deviation = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& x : values) x = distribution(generator);
  return values;
}

inline double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

/// a (m, k), rows lda apart, times the transpose of w (n, k): (m, n).
inline std::vector<double> product(const float* a, Index lda, const float* w, Index m, Index n, Index k) {
  std::vector<double> out(static_cast<std::size_t>(m * n));
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index c = 0; c < k; ++c) sum += static_cast<double>(a[i * lda + c]) * w[j * k + c];
      out[static_cast<std::size_t>(i * n + j)] = sum;
    }
  }
  return out;
}

}  // namespace reference
