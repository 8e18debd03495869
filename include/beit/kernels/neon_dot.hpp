// NEON with the dot product: one instruction (sdot) sums four products of bytes per lane, at four times float's rate.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/neon.hpp>
#include <beit/kernels/strips.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_NEON_DOT

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Strips, stacks and blocks that hold pixels less 128, as bytes with signs.
struct VectorSignedPixels : VectorNeon {
  static constexpr std::uint8_t bias = 0x80;
  static Bits biased(Bits x) { return veorq_u8(x, vdupq_n_u8(bias)); }
  static void store_strip(std::uint8_t* p, Bits x) { vst1q_u8(p, biased(x)); }
  static void store_interleaved(const std::uint8_t* const* p, Index at, std::uint8_t* out) {
    const uint8x16x4_t rows{{biased(vld1q_u8(p[0] + at)), biased(vld1q_u8(p[1] + at)), biased(vld1q_u8(p[2] + at)),
                             biased(vld1q_u8(p[3] + at))}};
    vst4q_u8(out, rows);
  }
  static void store_block(Integers x, Integers y, Integers z, std::uint8_t* out) {
    const uint8x8_t sign = vdup_n_u8(bias);
    VectorNeon::store_block(veor_u8(to_bytes(x, y), sign), veor_u8(to_bytes(z, z), sign), out);
  }
};

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

#include <beit/kernels/quad_tile.inl>
  };

  /// A weight is 2^16 high + 2^8 middle + low, all of 8 bits with sign. That takes weights below 1.98; the largest,
  /// Lanczos's at an edge, is 1.29. What the weights make of the 128 that pixels lack is added to the sums.
  /// Registers: 9 sums across and 12 down, 3 weights, a register of data.
  struct Strips {
    using V = VectorSignedPixels;

    /// Low, middle and high parts of four taps' weights, and what they make of 128. See StripKernels.
    static void split(const std::int32_t* weights, std::int32_t* parts, Index stride) {
      std::uint32_t bytes[3] = {}, sum = 0;
      for (int tap = 0; tap < 4; ++tap) {
        const std::int32_t low = static_cast<std::int8_t>(weights[tap] & 0xff), rest = (weights[tap] - low) >> 8;
        const std::int32_t middle = static_cast<std::int8_t>(rest & 0xff), high = (rest - middle) >> 8;
        bytes[0] |= (static_cast<std::uint32_t>(low) & 0xff) << (8 * tap);
        bytes[1] |= (static_cast<std::uint32_t>(middle) & 0xff) << (8 * tap);
        bytes[2] |= (static_cast<std::uint32_t>(high) & 0xff) << (8 * tap);
        sum += static_cast<std::uint32_t>(weights[tap]);
      }
      for (Index part = 0; part < 3; ++part) parts[part * stride] = static_cast<std::int32_t>(bytes[part]);
      parts[3 * stride] = static_cast<std::int32_t>(128 * sum);
    }

    struct Sums {
      int32x4_t low{}, middle{}, high{};
    };
    /// The parts of four taps, which are taken from its lanes.
    using Weights = int8x16_t;
    struct RowWeights {
      int8x16_t low, middle, high;
    };
    static Weights weights_of_lanes(const std::int32_t* p) { return vreinterpretq_s8_s32(vld1q_s32(p)); }
    static RowWeights weights_of_rows(const std::int32_t* p) {
      return {weights_of_lanes(p), weights_of_lanes(p + 4), weights_of_lanes(p + 8)};
    }
    BEIT_TARGET static void add(Sums& sums, uint8x16_t bytes, Weights w) {
      const int8x16_t x = vreinterpretq_s8_u8(bytes);
      sums.low = dot<0>(sums.low, x, w);
      sums.middle = dot<1>(sums.middle, x, w);
      sums.high = dot<2>(sums.high, x, w);
    }
    BEIT_TARGET static void add(Sums& sums, uint8x16_t bytes, const RowWeights& w) {
      const int8x16_t x = vreinterpretq_s8_u8(bytes);
      sums.low = dot(sums.low, x, w.low);
      sums.middle = dot(sums.middle, x, w.middle);
      sums.high = dot(sums.high, x, w.high);
    }
    static V::Words total(const Sums& sums) {
      return vreinterpretq_u32_s32(
          vaddq_s32(vaddq_s32(sums.low, vshlq_n_s32(sums.middle, 8)), vshlq_n_s32(sums.high, 16)));
    }
    static std::int32_t offset(const std::int32_t* weights, Index units, Index groups) {
      std::uint32_t sum = 0;
      for (Index u = 0; u < units; ++u, weights += tap_parts * groups) {
        for (Index g = 0; g < groups; ++g) sum += static_cast<std::uint32_t>(weights[3 * groups + g]);
      }
      return static_cast<std::int32_t>(sum);
    }
#include <beit/kernels/strips.inl>
  };

 private:
  // Inline assembly, because clang declares the intrinsics only if the whole program is compiled for them.

  /// Returns s + the products of the four bytes of each lane.
  BEIT_TARGET static int32x4_t dot(int32x4_t s, int8x16_t x, int8x16_t y) {
    asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(x), "w"(y));
    return s;
  }
  /// Returns s + the products of each lane of x and one lane of y, four bytes each.
  template <int lane>
  BEIT_TARGET static int32x4_t dot(int32x4_t s, int8x16_t x, int8x16_t y) {
    asm("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(s) : "w"(x), "w"(y), "i"(lane));
    return s;
  }

 public:
  static constexpr Kernels table() { return {Isa::neon_dot, &Neon::layer_norm, &Strips::kernels, &Neon::winograd}; }

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
