// The level of AVX-512 with BF16 (and VNNI): one instruction (vdpbf16ps) adds two products of bfloat16 per lane, twice
// float's rate.
//
// The tiles are Avx512::Float's. Attention multiplies bfloat16, too: queries, keys and values as the product before has
// left them, and the rounded weights of the softmax.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_vnni.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX512_BF16

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Rounds to bfloat16 by an instruction; numbers below 2^-126 become zero.
struct VectorAvx512Bf16 : VectorAvx512 {
  BEIT_TARGET static void store_bfloat16(Floats x, Index count, std::uint16_t* p) {
    _mm256_mask_storeu_epi16(p, first_lanes(count), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
};

struct Avx512Bf16 {
  using V = VectorAvx512Bf16;
  using Packing = Avx2Packing;

#include <beit/kernels/arithmetic.inl>

  template <Index Columns>
  struct Bfloat16 {
    using V = VectorAvx512;
    using A = std::uint16_t;
    using Stored = std::uint16_t;
    using Panel = std::uint16_t;
    using Sum = float;
    static constexpr Index MR = Avx512::MR, NR = Columns, chunk = 128;

    BEIT_TARGET static __m512 dot(__m512 s, __m512i x, __m512i b) {
      return _mm512_dpbf16_ps(s, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(b));
    }
#include <beit/kernels/panel_tile.inl>
  };

  static constexpr Kernels table() {
    return {Isa::avx512_bf16, &Avx512::layer_norm, &Avx512::Strips::kernels, &Avx512::winograd};
  }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    PrecisionKernels result = Avx512Vnni::precision_kernels<precision>();
    if constexpr (precision == Precision::bfloat16) {
      result.gemm = PackedGemm<Avx512Bf16, Bfloat16<Avx512::NR>>::kernel();
    }
    using Attention = FusedAttention<Avx512Bf16, Bfloat16<Avx512::attention_NR>>;
    if constexpr (precision == Precision::bfloat16) result.attention = Attention::kernel();
    if constexpr (precision == Precision::int8) result.attention = VnniAttention<Attention>::kernel();
    return result;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS
