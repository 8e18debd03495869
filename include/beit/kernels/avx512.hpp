// The AVX-512 level (F, BW, DQ, VL).
//
// Tile of 6 x 64: 24 registers of sums, 4 of the panel, 1 broadcast of a; 29 of 32. Four loads of the panel and six
// broadcasts feed 24 FMAs a step. Few rows and many columns: 197 tokens leave a tile of 5 rows, and one panel holds
// all 64 channels of a head.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/approximations.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/portable.hpp>
#include <beit/kernels/types.hpp>

// GCC 12 warns of its own "undefined" registers in these headers.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512 {
  static constexpr Index MR = 6, NR = 64, k_chunk = 128;

  BEIT_TARGET_AVX512 static void tile(const float* a, Index lda, Index rows, const float* panel, Index k, float* sum) {
    // Rows that aren't there repeat the last one: see Portable::tile.
    const float* a0 = a;
    const float* a1 = a + std::min<Index>(1, rows - 1) * lda;
    const float* a2 = a + std::min<Index>(2, rows - 1) * lda;
    const float* a3 = a + std::min<Index>(3, rows - 1) * lda;
    const float* a4 = a + std::min<Index>(4, rows - 1) * lda;
    const float* a5 = a + std::min<Index>(5, rows - 1) * lda;
    __m512 s00{}, s01{}, s02{}, s03{};
    __m512 s10{}, s11{}, s12{}, s13{};
    __m512 s20{}, s21{}, s22{}, s23{};
    __m512 s30{}, s31{}, s32{}, s33{};
    __m512 s40{}, s41{}, s42{}, s43{};
    __m512 s50{}, s51{}, s52{}, s53{};
    for (Index i = 0; i < k; ++i, panel += NR) {
      const __m512 b0 = _mm512_loadu_ps(panel), b1 = _mm512_loadu_ps(panel + 16);
      const __m512 b2 = _mm512_loadu_ps(panel + 32), b3 = _mm512_loadu_ps(panel + 48);
      __m512 x = _mm512_set1_ps(a0[i]);
      s00 = _mm512_fmadd_ps(x, b0, s00);
      s01 = _mm512_fmadd_ps(x, b1, s01);
      s02 = _mm512_fmadd_ps(x, b2, s02);
      s03 = _mm512_fmadd_ps(x, b3, s03);
      x = _mm512_set1_ps(a1[i]);
      s10 = _mm512_fmadd_ps(x, b0, s10);
      s11 = _mm512_fmadd_ps(x, b1, s11);
      s12 = _mm512_fmadd_ps(x, b2, s12);
      s13 = _mm512_fmadd_ps(x, b3, s13);
      x = _mm512_set1_ps(a2[i]);
      s20 = _mm512_fmadd_ps(x, b0, s20);
      s21 = _mm512_fmadd_ps(x, b1, s21);
      s22 = _mm512_fmadd_ps(x, b2, s22);
      s23 = _mm512_fmadd_ps(x, b3, s23);
      x = _mm512_set1_ps(a3[i]);
      s30 = _mm512_fmadd_ps(x, b0, s30);
      s31 = _mm512_fmadd_ps(x, b1, s31);
      s32 = _mm512_fmadd_ps(x, b2, s32);
      s33 = _mm512_fmadd_ps(x, b3, s33);
      x = _mm512_set1_ps(a4[i]);
      s40 = _mm512_fmadd_ps(x, b0, s40);
      s41 = _mm512_fmadd_ps(x, b1, s41);
      s42 = _mm512_fmadd_ps(x, b2, s42);
      s43 = _mm512_fmadd_ps(x, b3, s43);
      x = _mm512_set1_ps(a5[i]);
      s50 = _mm512_fmadd_ps(x, b0, s50);
      s51 = _mm512_fmadd_ps(x, b1, s51);
      s52 = _mm512_fmadd_ps(x, b2, s52);
      s53 = _mm512_fmadd_ps(x, b3, s53);
    }
    add(sum, s00, s01, s02, s03);
    add(sum + NR, s10, s11, s12, s13);
    add(sum + 2 * NR, s20, s21, s22, s23);
    add(sum + 3 * NR, s30, s31, s32, s33);
    add(sum + 4 * NR, s40, s41, s42, s43);
    add(sum + 5 * NR, s50, s51, s52, s53);
  }

  BEIT_TARGET_AVX512 static void widen(const std::uint16_t* in, Index count, float* out) {
    for (Index i = 0; i < count; i += 16) {  // whole panels: a multiple of NR
      const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i)));
      _mm512_storeu_ps(out + i, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)));
    }
  }

  BEIT_TARGET_AVX512 static void finish(const float* sum, const float* bias, const float* scale, Epilogue epilogue,
                                        Index rows, Index columns, float* out, Index ldo) {
    if (columns < NR) return finish_part<Avx512>(sum, bias, scale, epilogue, rows, columns, out, ldo);
    const __m512 one = _mm512_set1_ps(1.0f);
    for (Index j = 0; j < NR; j += 16) {
      const __m512 b = bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(bias + j);
      const __m512 s = scale == nullptr ? one : _mm512_loadu_ps(scale + j);
      for (Index i = 0; i < rows; ++i) {
        __m512 x = _mm512_add_ps(_mm512_loadu_ps(sum + i * NR + j), b);
        float* to = out + i * ldo + j;
        if (epilogue == Epilogue::bias_gelu) x = gelu(x);
        if (epilogue == Epilogue::bias_residual) x = _mm512_fmadd_ps(s, x, _mm512_loadu_ps(to));
        _mm512_storeu_ps(to, x);
      }
    }
  }

  BEIT_TARGET_AVX512 static float softmax_row(float* x, Index n) {
    const Index whole = n / 16 * 16;
    const __mmask16 rest = first_lanes(n - whole);
    const __m512 tail = _mm512_mask_loadu_ps(_mm512_set1_ps(-3.4e38f), rest, x + whole);
    __m512 largest = tail;
    for (Index i = 0; i < whole; i += 16) largest = _mm512_max_ps(largest, _mm512_loadu_ps(x + i));
    const __m512 shift = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    __m512 sums = _mm512_setzero_ps();
    for (Index i = 0; i < whole; i += 16) {
      const __m512 e = exp(_mm512_sub_ps(_mm512_loadu_ps(x + i), shift));
      _mm512_storeu_ps(x + i, e);
      sums = _mm512_add_ps(sums, e);
    }
    const __m512 e = exp(_mm512_sub_ps(tail, shift));
    _mm512_mask_storeu_ps(x + whole, rest, e);
    return 1.0f / _mm512_reduce_add_ps(_mm512_mask_add_ps(sums, rest, sums, e));
  }

  BEIT_TARGET_AVX512 static void layer_norm(const float* x, Index ldx, Index rows, Index c, const float* weight,
                                            const float* bias, float eps, float* out, Index ldo) {
    const Index whole = c / 16 * 16;
    const __mmask16 rest = first_lanes(c - whole);
    const float size = static_cast<float>(c);
    for (Index row = 0; row < rows; ++row, x += ldx, out += ldo) {
      const __m512 tail = _mm512_maskz_loadu_ps(rest, x + whole);
      __m512 sums = tail;
      for (Index i = 0; i < whole; i += 16) sums = _mm512_add_ps(sums, _mm512_loadu_ps(x + i));
      // The rounded mean is where the second pass measures from; what it is off by is found there.
      const __m512 about = _mm512_set1_ps(_mm512_reduce_add_ps(sums) / size);
      const __m512 d = _mm512_maskz_sub_ps(rest, tail, about);
      __m512 offsets = d, squares = _mm512_mul_ps(d, d);
      for (Index i = 0; i < whole; i += 16) {
        const __m512 e = _mm512_sub_ps(_mm512_loadu_ps(x + i), about);
        offsets = _mm512_add_ps(offsets, e);
        squares = _mm512_fmadd_ps(e, e, squares);
      }
      const float offset = _mm512_reduce_add_ps(offsets) / size;
      const float variance = _mm512_reduce_add_ps(squares) / size - offset * offset;
      const float reciprocal = 1.0f / std::sqrt(std::max(variance, 0.0f) + eps);
      const __m512 scale = _mm512_set1_ps(reciprocal), shift = _mm512_set1_ps(-offset * reciprocal);
      for (Index i = 0; i < whole; i += 16) {
        const __m512 e = _mm512_fmadd_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), about), scale, shift);
        _mm512_storeu_ps(out + i, _mm512_fmadd_ps(e, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i)));
      }
      const __m512 e = _mm512_fmadd_ps(d, scale, shift);
      _mm512_mask_storeu_ps(
          out + whole, rest,
          _mm512_fmadd_ps(e, _mm512_maskz_loadu_ps(rest, weight + whole), _mm512_maskz_loadu_ps(rest, bias + whole)));
    }
  }

  static constexpr Kernels table() {
    return {Isa::avx512,
            PackedGemm<Avx512, float>::kernel(),
            PackedGemm<Avx512, std::uint16_t>::kernel(),
            &FusedAttention<Avx512>::scratch,
            &FusedAttention<Avx512>::run,
            &layer_norm,
            &Portable::mean_rows};
  }

 private:
  BEIT_TARGET_AVX512 static void add(float* p, __m512 s0, __m512 s1, __m512 s2, __m512 s3) {
    _mm512_storeu_ps(p, _mm512_add_ps(_mm512_loadu_ps(p), s0));
    _mm512_storeu_ps(p + 16, _mm512_add_ps(_mm512_loadu_ps(p + 16), s1));
    _mm512_storeu_ps(p + 32, _mm512_add_ps(_mm512_loadu_ps(p + 32), s2));
    _mm512_storeu_ps(p + 48, _mm512_add_ps(_mm512_loadu_ps(p + 48), s3));
  }

  BEIT_TARGET_AVX512 static __mmask16 first_lanes(Index count) { return static_cast<__mmask16>((1u << count) - 1); }

  /// exp(x) for x <= 0.
  BEIT_TARGET_AVX512 static __m512 exp(__m512 x) {
    x = _mm512_max_ps(x, _mm512_set1_ps(exp_lowest));
    const __m512 n =
        _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(ln2_high), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(ln2_low), r);
    __m512 p = _mm512_set1_ps(exp_coefficients[4]);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(exp_coefficients[3]));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(exp_coefficients[2]));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(exp_coefficients[1]));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(exp_coefficients[0]));
    p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
  }

  /// As Avx2::gelu.
  BEIT_TARGET_AVX512 static __m512 gelu(__m512 x) {
    const __m512 size = _mm512_abs_ps(x);
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(size, _mm512_set1_ps(erfc_p * sqrt_half), one));
    __m512 p = _mm512_set1_ps(erfc_coefficients[6]);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[5]));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[4]));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[3]));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[2]));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[1]));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(erfc_coefficients[0]));
    const __m512 half_size = _mm512_mul_ps(size, _mm512_set1_ps(0.5f));
    const __m512 e = exp(_mm512_mul_ps(size, _mm512_sub_ps(_mm512_setzero_ps(), half_size)));
    const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(half_size, t), _mm512_mul_ps(p, e));
    return _mm512_sub_ps(_mm512_max_ps(x, _mm512_setzero_ps()), tail);
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif  // BEIT_X86_KERNELS
