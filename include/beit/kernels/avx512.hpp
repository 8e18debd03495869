// The level of AVX-512 (F, BW, DQ, VL).
//
// The tile is 9 x 48: 27 registers of sums, 3 of the panel, 1 broadcast of a (and 1 product of integers) = 31 or 32 of
// 32. Three loads of the panel and nine broadcasts feed 27 FMAs per step, and 197 tokens make 22 row tiles with only
// one row to spare. Attention's tile is 9 x 32, because the 64 channels of a head are two panels.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

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
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/strips.hpp>
#include <beit/kernels/types.hpp>
#include <beit/kernels/vector_avx512.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX512

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512 {
  using V = VectorAvx512;
  using Packing = Avx2Packing;
  static constexpr Index MR = 9, NR = 48, attention_NR = 32;

#include <beit/kernels/arithmetic.inl>
#include <beit/kernels/winograd.inl>

  struct Strips {
    using V = VectorAvx512;
#include <beit/kernels/strip_words.inl>
#include <beit/kernels/strips.inl>
  };

  template <Index Columns>
  struct Float {
    using V = VectorAvx512;
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    static constexpr Index MR = Avx512::MR, NR = Columns, chunk = 128;

    BEIT_TARGET static __m512 dot(__m512 s, __m512 x, __m512 b) { return V::fma(x, b, s); }
#include <beit/kernels/panel_tile.inl>
  };

  /// Weights are bfloat16, the arithmetic is float.
  struct Bfloat16 : Float<NR> {
    using Stored = std::uint16_t;
  };

  /// Multiplies like Avx2::Int8.
  struct Int8 {
    using V = VectorAvx512;
    using A = std::int16_t;
    using Stored = std::int8_t;
    using Panel = std::int16_t;
    using Sum = std::int32_t;
    static constexpr Index MR = Avx512::MR, NR = Avx512::NR, chunk = 128;

    BEIT_TARGET static V::Integers dot(V::Integers s, __m512i x, __m512i b) {
      return s + reinterpret_cast<V::Integers>(_mm512_madd_epi16(x, b));
    }
#include <beit/kernels/panel_tile.inl>
  };

  static constexpr Kernels table() { return {Isa::avx512, &layer_norm, &Strips::kernels, &winograd}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    return {PackedGemm<Avx512, StepFor<precision, Float<NR>, Bfloat16, Int8>>::kernel(),
            FusedAttention<Avx512, Float<attention_NR>>::kernel()};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS
