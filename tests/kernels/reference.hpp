// Double-precision loops that every level's kernels are held against, and random numbers for them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string_view>
#include <vector>

#include <beit/core/half.hpp>
#include <beit/core/matrix.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/kernels.hpp>

#include "software_tiles.hpp"

namespace reference {

using beit::Index;

/// The kernels of every level that this processor has, and of tiles if that is all it lacks.
inline std::vector<beit::kernels::Kernels> all_levels() {
  std::vector<beit::kernels::Kernels> levels;
  for (const auto& [isa, name, needs, permit] : beit::detail::levels) {
    if (beit::has_isa(isa) && beit::permit_isa(isa)) levels.push_back(beit::kernels::kernels_of(isa));
  }
#if BEIT_AMX_KERNELS
  // Where there are no tiles, software stands in for them.
  if (beit::best_isa() == beit::Isa::avx512_bf16) levels.push_back(beit::kernels::AmxLevel<SoftwareTiles>::table());
#endif
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

inline constexpr std::array precisions{beit::Precision::float32, beit::Precision::float_fast, beit::Precision::bfloat16,
                                       beit::Precision::int8};

enum class Rounding { none, bfloat16, int8, int8_weights };

/// How a product in this form rounds what it multiplies.
inline Rounding rounding(beit::kernels::Form form) {
  switch (form) {
    case beit::kernels::Form::float32:
    case beit::kernels::Form::bfloat16x2:
    case beit::kernels::Form::bfloat16x3:
      return Rounding::none;
    case beit::kernels::Form::bfloat16:
      return Rounding::bfloat16;
    case beit::kernels::Form::int16:
    case beit::kernels::Form::uint8:
      break;
  }
  return Rounding::int8;
}
inline Rounding rounding(beit::Precision precision) {
  return precision == beit::Precision::int8       ? Rounding::int8_weights
         : precision == beit::Precision::bfloat16 ? Rounding::bfloat16
                                                  : Rounding::none;
}

/// x, rounded up to 16 bits.
inline float round_up(float x) {
  int exponent;
  const float mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::ceil(mantissa * 65536), exponent - 16);
}

/// x (rows, k), rows ldx apart, rounded: (rows, k). A quantised row has the scale of its largest magnitude, for weights
/// rounded up.
inline std::vector<double> rounded(const float* x, Index ldx, Index rows, Index k, Rounding how) {
  std::vector<double> out;
  for (Index i = 0; i < rows; ++i, x += ldx) {
    float largest = 0;
    for (Index j = 0; j < k; ++j) largest = std::max(largest, std::abs(x[j]));
    const float scale = how == Rounding::int8_weights ? round_up(largest / 127) : largest / 127;
    const float inverse = largest == 0 ? 0 : how == Rounding::int8_weights ? 1 / scale : 127 / largest;
    for (Index j = 0; j < k; ++j) {
      switch (how) {
        case Rounding::none:
          out.push_back(x[j]);
          break;
        case Rounding::bfloat16:
          out.push_back(beit::bfloat16_to_float(beit::round_to_bfloat16(x[j])));
          break;
        case Rounding::int8:
        case Rounding::int8_weights:
          out.push_back(std::nearbyint(x[j] * inverse) * static_cast<double>(scale));
          break;
      }
    }
  }
  return out;
}

/// a (m, k) times the transpose of w (n, k): (m, n).
inline std::vector<double> product(const std::vector<double>& a, const std::vector<double>& w, Index m, Index n,
                                   Index k) {
  std::vector<double> out(static_cast<std::size_t>(m * n));
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      for (Index c = 0; c < k; ++c)
        sum += a[static_cast<std::size_t>(i * k + c)] * w[static_cast<std::size_t>(j * k + c)];
      out[static_cast<std::size_t>(i * n + j)] = sum;
    }
  }
  return out;
}

}  // namespace reference
