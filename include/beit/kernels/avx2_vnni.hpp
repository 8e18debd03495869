// AVX2 with AVX-VNNI: products of bytes, four and their sum an instruction (vpdpbusd), four times float's rate. What
// Intel's laptops and desktops have in the place of AVX-512 since Alder Lake.
//
// As in avx512_vnni.hpp, a carries 128 more than its number, and the panel's offsets take that off again. The tile is
// Avx2::Float's: twelve sums, each waiting for itself, hide the instruction's five cycles at two a cycle.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/avx2.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx2Vnni {
  struct Int8 : Avx2::Integers {
    using A = std::uint8_t;
    using Panel = std::int8_t;
    static constexpr Index group = 4, chunk = 256;
    static constexpr Form form = Form::uint8;

    BEIT_TARGET_AVX2_VNNI static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups,
                                           Sum* sum) {
      const A* a0 = a;
      const A* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const A* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const A* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const A* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const A* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups * group; i += group, panel += NR * group) {
        const __m256i b0 = load_bits(panel), b1 = load_bits(panel + 32);
        step(s0, a0 + i, b0, b1);
        step(s1, a1 + i, b0, b1);
        step(s2, a2 + i, b0, b1);
        step(s3, a3 + i, b0, b1);
        step(s4, a4 + i, b0, b1);
        step(s5, a5 + i, b0, b1);
      }
      add(sum, s0);
      add(sum + NR, s1);
      add(sum + 2 * NR, s2);
      add(sum + 3 * NR, s3);
      add(sum + 4 * NR, s4);
      add(sum + 5 * NR, s5);
    }

   private:
    BEIT_TARGET_AVX2_VNNI static Lanes dot(Lanes s, __m256i x, __m256i b) {
      return reinterpret_cast<Lanes>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(s), x, b));
    }
    BEIT_TARGET_AVX2_VNNI static void step(Sums& s, const A* a, __m256i b0, __m256i b1) {
      const __m256i x = broadcast_group(a);
      s.v0 = dot(s.v0, x, b0);
      s.v1 = dot(s.v1, x, b1);
    }
  };

  static constexpr Kernels table() {
    Kernels kernels = Avx2::table();
    kernels.isa = Isa::avx2_vnni;
    kernels.int8.gemm = PackedGemm<Avx2, Int8>::kernel();
    return kernels;
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_X86_KERNELS
