// Compares packed weights, byte for byte, with the formulas in kernels/gemm.hpp and kernels/amx_panels.hpp.
#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "reference.hpp"

namespace beit_test::packing_test {

using beit::Index;
using beit::Precision;
using beit::kernels::GemmKernel;
using beit::kernels::NumberFormat;
using reference::normal;

/// Writes `value` as number `at` of type T.
template <typename T>
void put(std::vector<std::byte>& packed, Index at, T value) {
  std::memcpy(packed.data() + at * static_cast<Index>(sizeof(T)), &value, sizeof(T));
}

/// Consecutive numbers along k per group.
Index group(beit::Isa isa, Precision precision, const GemmKernel& kernel) {
  if (isa == beit::Isa::neon_matrix && (precision == Precision::int8 || precision == Precision::bfloat16)) {
    return precision == Precision::int8 ? 8 : 4;
  }
  if (precision == Precision::int8) {
    for (const beit::Isa words :
         {beit::Isa::portable, beit::Isa::avx2, beit::Isa::avx512, beit::Isa::neon, beit::Isa::simd128}) {
      if (isa == words) return 2;
    }
    return 4;
  }
  return isa == beit::Isa::amx || kernel.layout->number_format == NumberFormat::bfloat16 ? 2 : 1;
}

/// Packs w (n, k) into panels of kernel.column_tile, number by number.
std::vector<std::byte> expected(const GemmKernel& kernel, Index G, bool is_unsigned, Precision precision,
                                const float* w, Index n, Index k) {
  const Index NR = kernel.column_tile, bytes = kernel.panel_bytes(k);
  std::vector<std::byte> result;
  for (Index column = 0; column < n; column += NR) {
    std::vector<std::byte> panel(static_cast<std::size_t>(bytes));
    for (Index j = 0; j < std::min(NR, n - column); ++j) {
      const float* x = w + (column + j) * k;
      float largest = 0;
      for (Index i = 0; i < k; ++i) largest = std::max(largest, std::abs(x[i]));
      const float scale = reference::round_up(largest / 127);
      std::int32_t sum = 0;
      for (Index i = 0; i < k; ++i) {
        const Index at = (i / G * NR + j) * G + i % G;
        if (precision == Precision::int8) {
          const auto q = static_cast<std::int8_t>(std::nearbyint(x[i] * (scale > 1e-30f ? 1 / scale : 0)));
          put(panel, at, q);
          sum += q;
        } else if (precision == Precision::bfloat16) {
          put(panel, at, beit::round_to_bfloat16(x[i]));
        } else {
          put(panel, at, x[i]);
        }
      }
      if (precision == Precision::int8) {
        const Index tail = (bytes - NR * 8) / 4;  // in words; NR * 8 bytes are whole cache lines
        put(panel, tail + j, scale);
        put(panel, tail + NR + j, is_unsigned ? 128 * sum : 0);
      }
    }
    result.insert(result.end(), panel.begin(), panel.end());
  }
  return result;
}

class Packing : public testing::TestWithParam<std::tuple<Index, Index>> {};  // n, k

TEST_P(Packing, IsTheFormulasByteForByte) {
  const auto [n, k] = GetParam();
  std::vector<float> w = normal(n * k, 11);
  std::fill_n(w.data(), k, 0.0f);  // a column of zeros
  w.back() = 1e-29f;               // too small to quantise if it is the largest
  for (const reference::Level& level : reference::all_levels()) {
    for (const Precision precision : reference::precisions) {
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + " " + std::string(beit::precision_name(precision)));
      const GemmKernel& kernel = level.of(precision).gemm;
      std::vector<std::byte> packed(static_cast<std::size_t>(kernel.packed_bytes(n, k) + 64), std::byte{0x55});
      kernel.pack(w.data(), n, k, packed.data());
      const Index G = group(level.isa, precision, kernel);
      const bool is_unsigned = G == 4 && level.isa < beit::Isa::neon;  // activations have 128 added
      std::vector<std::byte> wanted = expected(kernel, G, is_unsigned, precision, w.data(), n, k);
      wanted.resize(packed.size(), std::byte{0x55});  // nothing is written after the last panel
      ASSERT_EQ(packed, wanted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Packing,
                         testing::Combine(testing::Values<Index>(1, 3, 8, 16, 31, 64, 75, 130),
                                          testing::Values<Index>(1, 2, 3, 5, 15, 16, 31, 32, 33, 63, 64, 65, 127, 200,
                                                                 768)));

}  // namespace beit_test::packing_test
