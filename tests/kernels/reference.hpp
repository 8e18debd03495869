// Loops in double precision with which every level's kernels are compared, and random numbers for them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string_view>
#include <vector>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/half.hpp>
#include <beit/core/matrix.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/kernels.hpp>

#include "../levels.hpp"
#include "software_tiles.hpp"

namespace beit_test::reference {

using beit::Index;

inline constexpr std::array precisions{beit::Precision::float32, beit::Precision::float_fast, beit::Precision::bfloat16,
                                       beit::Precision::int8};

/// All kernels of a level.
struct Level : beit::Kernels {
  std::array<beit::kernels::PrecisionKernels, precisions.size()> precision_kernels;  // in the order of Precision

  const beit::kernels::PrecisionKernels& of(beit::Precision precision) const {
    return precision_kernels[static_cast<std::size_t>(precision)];
  }
};

/// Every level that this processor has, and AMX's on software tiles if these are all that it lacks.
inline std::vector<Level> all_levels() {
  std::vector<Level> levels;
  for (const beit::Isa isa : available_levels()) {
    levels.push_back({beit::kernels::kernels_of(isa), {}});
    for (const beit::Precision precision : precisions) {
      levels.back().precision_kernels[static_cast<std::size_t>(precision)] = precision_kernels(isa, precision);
    }
  }
#if BEIT_AMX_KERNELS
  // Software replaces missing tile registers.
  if (beit::best_isa() == beit::Isa::avx512_bf16) {
    using Software = beit::kernels::AmxLevel<SoftwareTiles>;
    levels.push_back({Software::table(),
                      {Software::precision_kernels<precisions[0]>(), Software::precision_kernels<precisions[1]>(),
                       Software::precision_kernels<precisions[2]>(), Software::precision_kernels<precisions[3]>()}});
  }
#endif
  return levels;
}

/// Normally distributed numbers of this deviation, which depend only on the seed.
inline std::vector<float> normal(Index count, unsigned seed, float deviation = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& x : values) x = distribution(generator);
  return values;
}

/// A copy of `values` that begins so many floats after a cache line.
class Shifted {
 public:
  Shifted(const std::vector<float>& values, Index floats)
      : memory_(static_cast<Index>(values.size()) + floats), begin_(memory_.data() + floats), size_(values.size()) {
    std::copy(values.begin(), values.end(), begin_);
  }
  float* data() { return begin_; }
  std::vector<float> values() const { return {begin_, begin_ + size_}; }

 private:
  beit::AlignedBuffer<float> memory_;
  float* begin_;
  std::size_t size_;
};

inline double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

enum class NumberFormat { none, bfloat16, int8, int8_weights };

/// How a product rounds the numbers that it multiplies.
inline NumberFormat rounding(const beit::kernels::Layout& layout) {
  switch (layout.number_format) {
    case beit::kernels::NumberFormat::none:
    case beit::kernels::NumberFormat::two_parts:
      return NumberFormat::none;
    case beit::kernels::NumberFormat::bfloat16:
      return NumberFormat::bfloat16;
    case beit::kernels::NumberFormat::int8:
      break;
  }
  return NumberFormat::int8;
}
inline NumberFormat rounding(beit::Precision precision) {
  return precision == beit::Precision::int8       ? NumberFormat::int8_weights
         : precision == beit::Precision::bfloat16 ? NumberFormat::bfloat16
                                                  : NumberFormat::none;
}

/// x, rounded up to 16 bits.
inline float round_up(float x) {
  int exponent;
  const float mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::ceil(mantissa * 65536), exponent - 16);
}

/// Rounds x (rows, k), rows ldx apart: (rows, k). A quantised row has the scale of its largest magnitude, which is
/// rounded up for weights.
inline std::vector<double> rounded(const float* x, Index ldx, Index rows, Index k, NumberFormat how) {
  std::vector<double> out;
  for (Index i = 0; i < rows; ++i, x += ldx) {
    float largest = 0;
    for (Index j = 0; j < k; ++j) largest = std::max(largest, std::abs(x[j]));
    const float scale = how == NumberFormat::int8_weights ? round_up(largest / 127) : largest / 127;
    const float inverse = largest == 0 ? 0 : how == NumberFormat::int8_weights ? 1 / scale : 127 / largest;
    for (Index j = 0; j < k; ++j) {
      switch (how) {
        case NumberFormat::none:
          out.push_back(x[j]);
          break;
        case NumberFormat::bfloat16:
          out.push_back(beit::bfloat16_to_float(beit::round_to_bfloat16(x[j])));
          break;
        case NumberFormat::int8:
        case NumberFormat::int8_weights:
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

/// Memory of activations, full of NaNs, which show if something is multiplied that wasn't written.
struct Owned {
  Owned(const beit::kernels::Layout& layout, Index segments, Index rows, Index columns, bool partial_writes = false)
      : memory(beit::kernels::Activations::bytes(layout, segments, rows, columns, partial_writes)),
        view(beit::kernels::Activations::on(layout, memory.data(), segments, rows, columns, partial_writes)) {
    std::fill_n(memory.data(), memory.size(), std::byte{0xFF});
  }
  /// Writes x (segments * rows, columns) in the layout.
  Owned(const beit::kernels::Layout& layout, const std::vector<float>& x, Index segments, Index rows, Index columns)
      : Owned(layout, segments, rows, columns) {
    for (Index t = 0; t < view.tiles(); ++t) {
      const auto tile = view.tile(t);
      view.write(tile, x.data() + (tile.segment * rows + tile.row) * columns, columns);
    }
  }
  /// The numbers that are multiplied: (segments * rows, columns).
  std::vector<float> read() const {
    std::vector<float> out(static_cast<std::size_t>(view.rows() * view.columns));
    for (Index i = 0; i < view.rows(); ++i) {
      view.read(i / view.segment_rows, i % view.segment_rows, 0, view.columns, out.data() + i * view.columns);
    }
    return out;
  }
  /// Encodes the staged rows, as every reader does first.
  void encode_staged() const {
    for (Index t = 0; view.staged != nullptr && t < view.tiles(); ++t) view.encode(view.tile(t));
  }

  beit::AlignedBuffer<std::byte> memory;
  beit::kernels::Activations view;
};

inline beit::AlignedBuffer<std::byte> pack(const beit::kernels::GemmKernel& kernel, const std::vector<float>& w,
                                           Index n, Index k) {
  beit::AlignedBuffer<std::byte> packed(kernel.packed_bytes(n, k));
  kernel.pack(w.data(), n, k, packed.data());
  return packed;
}

/// Computes a whole product by calls of so many row tiles and columns each, multiples of the kernel's.
inline void run_blocks(const beit::kernels::GemmKernel& kernel, const beit::kernels::GemmCall& product, Index tiles,
                       Index columns) {
  beit::AlignedBuffer<std::byte> scratch(kernel.scratch_bytes(tiles, columns, product.k()));
  std::fill_n(scratch.data(), scratch.size(), std::byte{0xFF});
  for (Index t = 0; t < product.a->tiles(); t += tiles) {
    for (Index column = 0; column < product.n; column += columns) {
      kernel.run(product, t, std::min(t + tiles, product.a->tiles()), column, std::min(column + columns, product.n),
                 scratch.data());
    }
  }
}
inline void run_blocks(const beit::kernels::GemmKernel& kernel, const beit::kernels::GemmCall& product) {
  run_blocks(kernel, product, 2 * kernel.tile_step, 2 * kernel.column_tile);
}

}  // namespace beit_test::reference
