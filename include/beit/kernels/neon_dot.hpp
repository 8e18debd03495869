// NEON with the dot product: one instruction (sdot) sums four products of bytes per lane, at four times float's rate.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/neon.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_NEON_DOT

namespace beit::inline BEIT_ABI {

namespace kernels {

struct NeonDot : Neon {
  struct Int8 {
    using V = VectorNeon;
    using A = std::int8_t;
    using Stored = std::int8_t;
    using Panel = std::int8_t;
    using Sum = std::int32_t;
    using Vector = int32x4_t;
    static constexpr Index MR = Neon::MR, NR = Neon::NR, chunk = 256;

    /// Multiplies four consecutive numbers along k: a (MR, 4), panel (NR, 4).
    template <Index columns>
    BEIT_TARGET __attribute__((always_inline)) static void step(const std::int8_t* a, const std::int8_t* panel,
                                                                Array<Array<Vector, columns>, MR>& s) {
      const int8x16_t x = vld1q_s8(a);
      const int8x16_t y = vcombine_s8(vld1_s8(a + 16), vdup_n_s8(0));
#pragma GCC unroll 4
      for (Index c = 0; c < columns; ++c) {
        const int8x16_t b = vld1q_s8(panel + 16 * c);
        s[0][c] = dot<0>(s[0][c], b, x);
        s[1][c] = dot<1>(s[1][c], b, x);
        s[2][c] = dot<2>(s[2][c], b, x);
        s[3][c] = dot<3>(s[3][c], b, x);
        s[4][c] = dot<0>(s[4][c], b, y);
        s[5][c] = dot<1>(s[5][c], b, y);
      }
    }

    /// Inline assembly, because clang declares the intrinsic only if the whole program is compiled for it.
    template <int lane>
    BEIT_TARGET static Vector dot(Vector s, int8x16_t b, int8x16_t x) {
      asm("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(s) : "w"(b), "w"(x), "i"(lane));
      return s;
    }
#include <beit/kernels/quad_tile.inl>
  };

  static constexpr Kernels table() { return {Isa::neon_dot, &Neon::layer_norm, &Portable::mean_rows}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    PrecisionKernels result = Neon::precision_kernels<precision>();
    if constexpr (precision == Precision::int8) result.gemm = PackedGemm<NeonDot, Int8>::kernel();
    return result;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_NEON_KERNELS
