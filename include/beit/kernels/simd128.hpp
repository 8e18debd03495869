// The level of WebAssembly's vectors.
//
// The tile is 4 x 8: 8 registers of sums, 2 of the panel, 1 of a and 1 of products = 12 of the 15 that engines have on
// x86-64. There is no fused multiply-add, so six loads go with 8 products and 8 sums.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_WASM_KERNELS

#include <wasm_simd128.h>

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
#include <beit/kernels/packing.hpp>
#include <beit/kernels/strips.hpp>
#include <beit/kernels/types.hpp>
#include <beit/kernels/vector_simd128.hpp>

#define BEIT_TARGET

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Simd128 {
  using V = VectorSimd128;
  using Packing = PortablePacking;
  static constexpr Index MR = 4, NR = 8, word = 4;

#include <beit/kernels/arithmetic.inl>
#include <beit/kernels/winograd.inl>

  struct Strips {
    using V = VectorSimd128;
#include <beit/kernels/strip_words.inl>
#include <beit/kernels/strips.inl>
  };

  struct Float {
    using V = VectorSimd128;
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    using Vector = V::Floats;
    static constexpr Index MR = Simd128::MR, NR = Simd128::NR, chunk = 256;

    /// Multiplies one number along k: a (MR, 1), panel (NR, 1).
    template <Index columns>
    __attribute__((always_inline)) static void step(const float* a, const float* panel,
                                                    Array<Array<Vector, columns>, MR>& s) {
#pragma GCC unroll 4
      for (Index r = 0; r < MR; ++r) {
        const Vector x = V::set(a[r]);
#pragma GCC unroll 2
        for (Index c = 0; c < columns; ++c) s[r][c] += x * V::load(panel + V::lanes * c);
      }
    }
#include <beit/kernels/quad_tile.inl>
  };

  /// Weights are bfloat16, the arithmetic is float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
  };

  /// Adds pairs of products of 16 bits to sums of 32 bits: exact.
  struct Int8 {
    using V = VectorSimd128;
    using A = std::int16_t;
    using Stored = std::int8_t;
    using Panel = std::int16_t;
    using Sum = std::int32_t;
    using Vector = V::Integers;
    static constexpr Index MR = Simd128::MR, NR = Simd128::NR, chunk = 256;

    /// Multiplies two consecutive numbers along k: a (MR, 2), panel (NR, 2).
    template <Index columns>
    __attribute__((always_inline)) static void step(const std::int16_t* a, const std::int16_t* panel,
                                                    Array<Array<Vector, columns>, MR>& s) {
#pragma GCC unroll 4
      for (Index r = 0; r < MR; ++r) {
        const v128_t x = wasm_v128_load32_splat(a + 2 * r);
#pragma GCC unroll 2
        for (Index c = 0; c < columns; ++c) {
          s[r][c] += reinterpret_cast<Vector>(wasm_i32x4_dot_i16x8(x, wasm_v128_load(panel + 8 * c)));
        }
      }
    }
#include <beit/kernels/quad_tile.inl>
  };

  static constexpr Kernels table() { return {Isa::simd128, &layer_norm, &Strips::kernels, &winograd}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    return {PackedGemm<Simd128, StepFor<precision, Float, Bfloat16, Int8>>::kernel(),
            FusedAttention<Simd128, Float>::kernel()};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_WASM_KERNELS
