// AVX-512 with BF16 (and VNNI): products of bfloat16, two and their sum an instruction (vdpbf16ps), twice float's rate.
//
// The tile is Avx512::Float's. Attention multiplies bfloat16, too: queries, keys and values as the product before
// leaves them, the weights of the softmax rounded.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_vnni.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512Bf16 {
  struct Bfloat16 {
    using A = std::uint16_t;
    using Stored = std::uint16_t;
    using Panel = std::uint16_t;
    using Sum = float;
    static constexpr Index MR = 6, NR = 64, group = 2, chunk = 128;
    static constexpr Form form = Form::bfloat16;

    BEIT_TARGET_AVX512_BF16 static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups,
                                             Sum* sum) {
      const A* a0 = a;
      const A* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const A* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const A* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const A* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const A* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups * group; i += group, panel += NR * group) {
        const __m512i b0 = _mm512_loadu_si512(panel), b1 = _mm512_loadu_si512(panel + 32);
        const __m512i b2 = _mm512_loadu_si512(panel + 64), b3 = _mm512_loadu_si512(panel + 96);
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

    BEIT_TARGET_AVX512_BF16 static void encode_row(const float* x, Index k, Index depth, A* out, float*) {
      for (Index i = 0; i < depth; i += 16) {
        const __m512 part = _mm512_maskz_loadu_ps(Avx512::first_lanes(k - i), x + i);
        _mm256_mask_storeu_epi16(out + i, Avx512::first_lanes(depth - i), Avx512::to_bfloat16(part));
      }
    }

   private:
    struct Sums {
      __m512 v0, v1, v2, v3;
    };
    BEIT_TARGET_AVX512_BF16 static Sums zeros() {
      return {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    }
    BEIT_TARGET_AVX512_BF16 static void step(Sums& s, const A* a, __m512i b0, __m512i b1, __m512i b2, __m512i b3) {
      const __m512bh x = reinterpret_cast<__m512bh>(Avx512::broadcast_group(a));
      s.v0 = _mm512_dpbf16_ps(s.v0, x, reinterpret_cast<__m512bh>(b0));
      s.v1 = _mm512_dpbf16_ps(s.v1, x, reinterpret_cast<__m512bh>(b1));
      s.v2 = _mm512_dpbf16_ps(s.v2, x, reinterpret_cast<__m512bh>(b2));
      s.v3 = _mm512_dpbf16_ps(s.v3, x, reinterpret_cast<__m512bh>(b3));
    }
    BEIT_TARGET_AVX512_BF16 static void add(Sum* p, const Sums& s) {
      _mm512_storeu_ps(p, _mm512_add_ps(_mm512_loadu_ps(p), s.v0));
      _mm512_storeu_ps(p + 16, _mm512_add_ps(_mm512_loadu_ps(p + 16), s.v1));
      _mm512_storeu_ps(p + 32, _mm512_add_ps(_mm512_loadu_ps(p + 32), s.v2));
      _mm512_storeu_ps(p + 48, _mm512_add_ps(_mm512_loadu_ps(p + 48), s.v3));
    }
  };

  static constexpr Kernels table() {
    constexpr AttentionKernel attention = FusedAttention<Avx512, Bfloat16>::kernel();
    Kernels kernels = Avx512Vnni::table();
    kernels.isa = Isa::avx512_bf16;
    kernels.bfloat16 = {PackedGemm<Avx512, Bfloat16>::kernel(), attention};
    kernels.int8.attention = attention;
    return kernels;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_X86_KERNELS
