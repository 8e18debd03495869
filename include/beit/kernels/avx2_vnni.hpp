// The level of AVX2 with AVX-VNNI, which Intel's laptops and desktops have instead of AVX-512 since Alder Lake: one
// instruction (vpdpbusd) adds four products of bytes per lane, four times float's rate.
//
// Like in avx512_vnni.hpp, a has 128 added, which the panel's offsets subtract again. The tile is Avx2::Float's: twelve
// independent sums hide the instruction's latency of five cycles at two per cycle.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/avx2.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX2_VNNI

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx2Vnni {
  struct Int8 {
    using V = VectorAvx2;
    using A = std::uint8_t;
    using Stored = std::int8_t;
    using Panel = std::int8_t;
    using Sum = std::int32_t;
    static constexpr Index MR = Avx2::MR, NR = Avx2::NR, chunk = 256;

    BEIT_TARGET static V::Integers dot(V::Integers s, __m256i x, __m256i b) {
      return reinterpret_cast<V::Integers>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(s), x, b));
    }
#include <beit/kernels/panel_tile.inl>
  };

  static constexpr Kernels table() {
    return {Isa::avx2_vnni, &Avx2::layer_norm, &Avx2::Strips::kernels, &Avx2::winograd};
  }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    PrecisionKernels result = Avx2::precision_kernels<precision>();
    if constexpr (precision == Precision::int8) result.gemm = PackedGemm<Avx2, Int8>::kernel();
    return result;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS
