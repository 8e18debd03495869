// The level of AVX-512 with VNNI: one instruction (vpdpbusd) adds four products of bytes per lane, four times float's
// rate.
//
// The instruction multiplies unsigned by signed bytes. So a has 128 added, and a panel's offsets subtract 128 times the
// sum of its column again (oneDNN's compensation). The tile is Avx512::Float's.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>
#include <beit/kernels/vnni_attention.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX512_VNNI

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512Vnni {
  struct Int8 {
    using V = VectorAvx512;
    using A = std::uint8_t;
    using Stored = std::int8_t;
    using Panel = std::int8_t;
    using Sum = std::int32_t;
    static constexpr Index MR = Avx512::MR, NR = Avx512::NR, chunk = 128;

    BEIT_TARGET static V::Integers dot(V::Integers s, __m512i x, __m512i b) {
      return reinterpret_cast<V::Integers>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(s), x, b));
    }
#include <beit/kernels/panel_tile.inl>
  };

  static constexpr Kernels table() {
    return {Isa::avx512_vnni, &Avx512::layer_norm, &Avx512::Strips::kernels, &Avx512::winograd};
  }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    PrecisionKernels result = Avx512::precision_kernels<precision>();
    if constexpr (precision == Precision::int8) {
      result.gemm = PackedGemm<Avx512, Int8>::kernel();
      result.attention = VnniAttention<FusedAttention<Avx512, Avx512::Float<Avx512::attention_NR>>>::kernel();
    }
    return result;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS
