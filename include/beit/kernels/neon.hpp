// The level of NEON, which every 64-bit ARM processor has.
//
// The tile is 6 x 16: 24 registers of sums, 4 of the panel, 2 of a = 30 of 32. The panel is multiplied by single lanes
// of a, without broadcasts: six loads feed 24 FMAs per step, which keep the four units of a Neoverse V1 or an Apple
// core busy, and the two of a Cortex-A76, with room to spare in loads and decoders.
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
#include <beit/kernels/packing_neon.hpp>
#include <beit/kernels/strips.hpp>
#include <beit/kernels/types.hpp>
#include <beit/kernels/vector_neon.hpp>

#define BEIT_TARGET

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Neon {
  using V = VectorNeon;
  using Packing = NeonPacking;
  static constexpr Index MR = 6, NR = 16, word = 4;

#include <beit/kernels/arithmetic.inl>
#include <beit/kernels/winograd.inl>

  struct Strips {
    using V = VectorNeon;
#include <beit/kernels/strip_words.inl>
#include <beit/kernels/strips.inl>
  };

  struct Float {
    using V = VectorNeon;
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    using Vector = float32x4_t;
    static constexpr Index MR = Neon::MR, NR = Neon::NR, chunk = 256;

    /// Multiplies one number along k: a (MR, 1), panel (NR, 1).
    template <Index columns>
    __attribute__((always_inline)) static void step(const float* a, const float* panel,
                                                    Array<Array<Vector, columns>, MR>& s) {
      const float32x4_t x = vld1q_f32(a);
      const float32x2_t y = vld1_f32(a + 4);
#pragma GCC unroll 4
      for (Index c = 0; c < columns; ++c) {
        const float32x4_t b = vld1q_f32(panel + 4 * c);
        s[0][c] = vfmaq_laneq_f32(s[0][c], b, x, 0);
        s[1][c] = vfmaq_laneq_f32(s[1][c], b, x, 1);
        s[2][c] = vfmaq_laneq_f32(s[2][c], b, x, 2);
        s[3][c] = vfmaq_laneq_f32(s[3][c], b, x, 3);
        s[4][c] = vfmaq_lane_f32(s[4][c], b, y, 0);
        s[5][c] = vfmaq_lane_f32(s[5][c], b, y, 1);
      }
    }
#include <beit/kernels/quad_tile.inl>
  };

  /// Weights are bfloat16, the arithmetic is float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
  };

  /// Adds products of 16 bits to sums of 32 bits: exact, at float's rate.
  struct Int8 {
    using V = VectorNeon;
    using A = std::int16_t;
    using Stored = std::int8_t;
    using Panel = std::int16_t;
    using Sum = std::int32_t;
    using Vector = int32x4_t;
    static constexpr Index MR = Neon::MR, NR = Neon::NR, chunk = 256;

    /// Multiplies two consecutive numbers along k: a (MR, 2), panel (NR, 2).
    template <Index columns>
    __attribute__((always_inline)) static void step(const std::int16_t* a, const std::int16_t* panel,
                                                    Array<Array<Vector, columns>, MR>& s) {
      const int16x8_t x = vld1q_s16(a);
      const int16x4_t y = vld1_s16(a + 8);
#pragma GCC unroll 4
      for (Index c = 0; c < columns; ++c) {
        const int16x4x2_t b = vld2_s16(panel + 8 * c);
        s[0][c] = vmlal_laneq_s16(vmlal_laneq_s16(s[0][c], b.val[0], x, 0), b.val[1], x, 1);
        s[1][c] = vmlal_laneq_s16(vmlal_laneq_s16(s[1][c], b.val[0], x, 2), b.val[1], x, 3);
        s[2][c] = vmlal_laneq_s16(vmlal_laneq_s16(s[2][c], b.val[0], x, 4), b.val[1], x, 5);
        s[3][c] = vmlal_laneq_s16(vmlal_laneq_s16(s[3][c], b.val[0], x, 6), b.val[1], x, 7);
        s[4][c] = vmlal_lane_s16(vmlal_lane_s16(s[4][c], b.val[0], y, 0), b.val[1], y, 1);
        s[5][c] = vmlal_lane_s16(vmlal_lane_s16(s[5][c], b.val[0], y, 2), b.val[1], y, 3);
      }
    }
#include <beit/kernels/quad_tile.inl>
  };

  static constexpr Kernels table() { return {Isa::neon, &layer_norm, &Strips::kernels, &winograd}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    return {PackedGemm<Neon, StepFor<precision, Float, Bfloat16, Int8>>::kernel(),
            FusedAttention<Neon, Float>::kernel()};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_NEON_KERNELS
