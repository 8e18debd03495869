// The level of AVX2 and FMA.
//
// The tile is 6 x 16: 12 registers of sums, 2 of the panel, 1 broadcast of a (and 1 product of integers) = 15 or 16 of
// 16. Two loads of the panel and six broadcasts feed twelve FMAs per step, within two loads and two FMAs per cycle
// (BLIS has the same shape on Haswell).
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
#include <beit/kernels/vector_avx2.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX2

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx2 {
  using V = VectorAvx2;
  using Packing = Avx2Packing;
  static constexpr Index MR = 6, NR = 16;

#include <beit/kernels/arithmetic.inl>
#include <beit/kernels/winograd.inl>

  struct Strips {
    using V = VectorAvx2;
#include <beit/kernels/strip_words.inl>
#include <beit/kernels/strips.inl>
  };

  struct Float {
    using V = VectorAvx2;
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    static constexpr Index MR = Avx2::MR, NR = Avx2::NR, chunk = 256;

    BEIT_TARGET static __m256 dot(__m256 s, __m256 x, __m256 b) { return V::fma(x, b, s); }
#include <beit/kernels/panel_tile.inl>
  };

  /// Weights are bfloat16, the arithmetic is float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
  };

  /// One instruction (vpmaddwd) adds two products of 16 bits per lane: exact, and twice float's rate. Products of bytes
  /// (vpmaddubsw) would saturate.
  struct Int8 {
    using V = VectorAvx2;
    using A = std::int16_t;
    using Stored = std::int8_t;
    using Panel = std::int16_t;
    using Sum = std::int32_t;
    static constexpr Index MR = Avx2::MR, NR = Avx2::NR, chunk = 256;

    BEIT_TARGET static V::Integers dot(V::Integers s, __m256i x, __m256i b) {
      return s + reinterpret_cast<V::Integers>(_mm256_madd_epi16(x, b));
    }
#include <beit/kernels/panel_tile.inl>
  };

  static constexpr Kernels table() { return {Isa::avx2, &layer_norm, &Strips::kernels, &winograd}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    return {PackedGemm<Avx2, StepFor<precision, Float, Bfloat16, Int8>>::kernel(),
            FusedAttention<Avx2, Float>::kernel()};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS
