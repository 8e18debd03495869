// NEON with the dot product, I8MM and BF16: products of 2 x 2 matrices. One instruction multiplies 8 bytes of each of
// two rows by 8 bytes of each of two columns and adds: eight times float's rate for int8 (smmla), four times for
// bfloat16 (bfmmla).
//
// Processors: Neoverse V1, N2 and later, Cortex-X2, A710, A510 and later, Apple's M2, A15 and later.
//
// The tile is Neon's 6 x 16: with groups of 8 bytes, two rows of a row tile or two columns of a panel fill a register,
// and 24 registers of sums hold 3 x 8 matrices, for 11 loads per step. bfmmla rounds sums to odd and takes numbers
// below 2^-126 for zero; in chunks of 512 the errors stay below those of Neon's FMAs: 2.1e-7 against 2.9e-7 of the
// result's root mean square at k = 768. Attention multiplies bfloat16, too.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/approximations.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/neon.hpp>
#include <beit/kernels/neon_dot.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_NEON_MATRIX

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Rounds to bfloat16 by an instruction. It is inline assembly, as those below are, because clang declares the
/// intrinsics only if the whole program is compiled for them.
struct VectorNeonMatrix : VectorNeon {
  BEIT_TARGET static void store_bfloat16(Floats x, Index count, std::uint16_t* p) {
    uint16x4_t rounded;
    asm("bfcvtn %0.4h, %1.4s" : "=w"(rounded) : "w"(x));
    store_first(rounded, count, p);
  }
};

struct NeonMatrix {
  using V = VectorNeonMatrix;
  using Packing = NeonPacking;
  static constexpr Index word = 8;

#include <beit/kernels/arithmetic.inl>

  /// Products of Numbers, summed as type Total, of which a register of type Totals has four.
  template <typename Number, typename Total, typename Totals>
  struct Product {
    using V = VectorNeon;
    using A = Number;
    using Stored = Number;
    using Panel = Number;
    using Sum = Total;
    using Vector = Totals;
    static constexpr Index MR = Neon::MR, NR = Neon::NR, chunk = 128;

    /// Multiplies 8 bytes along k: a (MR, group), panel (NR, group).
    template <Index columns>
    BEIT_TARGET __attribute__((always_inline)) static void step(const Number* a, const Number* panel,
                                                                Array<Array<Vector, columns>, MR>& s) {
      const uint8x16_t x0 = two(a), x1 = two(a + 2 * group), x2 = two(a + 4 * group);
#pragma GCC unroll 8
      for (Index c = 0; c < 2 * columns; ++c) {
        const uint8x16_t b = two(panel + 2 * c * group);
        s[c % 2][c / 2] = multiply(s[c % 2][c / 2], x0, b);
        s[2 + c % 2][c / 2] = multiply(s[2 + c % 2][c / 2], x1, b);
        s[4 + c % 2][c / 2] = multiply(s[4 + c % 2][c / 2], x2, b);
      }
    }
#include <beit/kernels/quad_tile.inl>

   private:
    /// Loads the groups of two rows or of two columns.
    static uint8x16_t two(const Number* p) { return vld1q_u8(reinterpret_cast<const std::uint8_t*>(p)); }
  };

  /// Returns s + a b^T: a has two rows, b two columns, and s, row by row, their four sums.
  BEIT_TARGET static int32x4_t multiply(int32x4_t s, uint8x16_t a, uint8x16_t b) {
    asm("smmla %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(a), "w"(b));
    return s;
  }
  BEIT_TARGET static float32x4_t multiply(float32x4_t s, uint8x16_t a, uint8x16_t b) {
    asm("bfmmla %0.4s, %1.8h, %2.8h" : "+w"(s) : "w"(a), "w"(b));
    return s;
  }

  using Int8 = Product<std::int8_t, std::int32_t, int32x4_t>;
  using Bfloat16 = Product<std::uint16_t, float, float32x4_t>;

  static constexpr Kernels table() {
    return {Isa::neon_matrix, &Neon::layer_norm, &NeonDot::Strips::kernels, &Neon::winograd};
  }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    if constexpr (precision == Precision::bfloat16 || precision == Precision::int8) {
      return {PackedGemm<NeonMatrix, StepFor<precision, void, Bfloat16, Int8>>::kernel(),
              FusedAttention<NeonMatrix, Bfloat16>::kernel()};
    } else {
      return Neon::precision_kernels<precision>();
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_NEON_KERNELS
