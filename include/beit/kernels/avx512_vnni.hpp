// AVX-512 with VNNI: products of bytes, four and their sum an instruction (vpdpbusd), four times float's rate.
//
// The instruction multiplies unsigned by signed bytes, so a carries 128 more than its number, and a panel's offsets
// take 128 times the sum of its column off again (as oneDNN's compensation does). The tile is Avx512::Float's.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512Vnni {
  struct Int8 : Avx512::Integers {
    using A = std::uint8_t;
    using Panel = std::int8_t;
    static constexpr Index group = 4, chunk = 128;
    static constexpr Form form = Form::uint8;

    BEIT_TARGET_AVX512_VNNI static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups,
                                             Sum* sum) {
      const A* a0 = a;
      const A* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const A* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const A* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const A* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const A* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups * group; i += group, panel += NR * group) {
        const __m512i b0 = _mm512_loadu_si512(panel), b1 = _mm512_loadu_si512(panel + 64);
        const __m512i b2 = _mm512_loadu_si512(panel + 128), b3 = _mm512_loadu_si512(panel + 192);
        step(s0, a0 + i, b0, b1, b2, b3);
        step(s1, a1 + i, b0, b1, b2, b3);
        step(s2, a2 + i, b0, b1, b2, b3);
        step(s3, a3 + i, b0, b1, b2, b3);
        step(s4, a4 + i, b0, b1, b2, b3);
        step(s5, a5 + i, b0, b1, b2, b3);
      }
      add(sum, s0);
      add(sum + NR, s1);
      add(sum + 2 * NR, s2);
      add(sum + 3 * NR, s3);
      add(sum + 4 * NR, s4);
      add(sum + 5 * NR, s5);
    }

    BEIT_TARGET_AVX512_VNNI static void encode_row(const float* x, Index k, Index depth, A* out, float* scale) {
      const float largest = largest_magnitude(x, k);
      *scale = largest / int8_limit;
      const __m512 inverse = _mm512_set1_ps(inverse_int8_scale(largest));
      for (Index i = 0; i < depth; i += 16) {
        const __m512i integers = quantise(x + i, Avx512::first_lanes(k - i), inverse);
        _mm_mask_storeu_epi8(out + i, Avx512::first_lanes(depth - i),
                             _mm512_cvtepi32_epi8(_mm512_add_epi32(integers, _mm512_set1_epi32(128))));
      }
    }

   private:
    BEIT_TARGET_AVX512_VNNI static Lanes dot(Lanes s, __m512i x, __m512i b) {
      return reinterpret_cast<Lanes>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(s), x, b));
    }
    BEIT_TARGET_AVX512_VNNI static void step(Sums& s, const A* a, __m512i b0, __m512i b1, __m512i b2, __m512i b3) {
      const __m512i x = Avx512::broadcast_group(a);
      s.v0 = dot(s.v0, x, b0);
      s.v1 = dot(s.v1, x, b1);
      s.v2 = dot(s.v2, x, b2);
      s.v3 = dot(s.v3, x, b3);
    }
  };

  static constexpr Kernels table() {
    Kernels kernels = Avx512::table();
    kernels.isa = Isa::avx512_vnni;
    kernels.int8.gemm = PackedGemm<Avx512, Int8>::kernel();
    return kernels;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_X86_KERNELS
