// The AVX2 and FMA level.
//
// Tile of 6 x 16: 12 registers of sums, 2 of the panel, 1 broadcast of a; 15 of 16. Two loads of the panel and six
// broadcasts feed twelve FMAs a step, within two loads and two FMAs a cycle (the shape that BLIS uses on Haswell).
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

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx2 {
  static constexpr Index MR = 6, NR = 16, k_chunk = 256;

  BEIT_TARGET_AVX2 static void tile(const float* a, Index lda, Index rows, const float* panel, Index k, float* sum) {
    // Rows that aren't there repeat the last one: see Portable::tile.
    const float* a0 = a;
    const float* a1 = a + std::min<Index>(1, rows - 1) * lda;
    const float* a2 = a + std::min<Index>(2, rows - 1) * lda;
    const float* a3 = a + std::min<Index>(3, rows - 1) * lda;
    const float* a4 = a + std::min<Index>(4, rows - 1) * lda;
    const float* a5 = a + std::min<Index>(5, rows - 1) * lda;
    __m256 s00{}, s01{}, s10{}, s11{}, s20{}, s21{}, s30{}, s31{}, s40{}, s41{}, s50{}, s51{};
    for (Index i = 0; i < k; ++i, panel += NR) {
      const __m256 b0 = _mm256_loadu_ps(panel), b1 = _mm256_loadu_ps(panel + 8);
      __m256 x = _mm256_broadcast_ss(a0 + i);
      s00 = _mm256_fmadd_ps(x, b0, s00);
      s01 = _mm256_fmadd_ps(x, b1, s01);
      x = _mm256_broadcast_ss(a1 + i);
      s10 = _mm256_fmadd_ps(x, b0, s10);
      s11 = _mm256_fmadd_ps(x, b1, s11);
      x = _mm256_broadcast_ss(a2 + i);
      s20 = _mm256_fmadd_ps(x, b0, s20);
      s21 = _mm256_fmadd_ps(x, b1, s21);
      x = _mm256_broadcast_ss(a3 + i);
      s30 = _mm256_fmadd_ps(x, b0, s30);
      s31 = _mm256_fmadd_ps(x, b1, s31);
      x = _mm256_broadcast_ss(a4 + i);
      s40 = _mm256_fmadd_ps(x, b0, s40);
      s41 = _mm256_fmadd_ps(x, b1, s41);
      x = _mm256_broadcast_ss(a5 + i);
      s50 = _mm256_fmadd_ps(x, b0, s50);
      s51 = _mm256_fmadd_ps(x, b1, s51);
    }
    add(sum, s00, s01);
    add(sum + NR, s10, s11);
    add(sum + 2 * NR, s20, s21);
    add(sum + 3 * NR, s30, s31);
    add(sum + 4 * NR, s40, s41);
    add(sum + 5 * NR, s50, s51);
  }

  BEIT_TARGET_AVX2 static void widen(const std::uint16_t* in, Index count, float* out) {
    for (Index i = 0; i < count; i += 8) {  // whole panels: a multiple of NR
      const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i)));
      _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)));
    }
  }

  BEIT_TARGET_AVX2 static void finish(const float* sum, const float* bias, const float* scale, Epilogue epilogue,
                                      Index rows, Index columns, float* out, Index ldo) {
    if (columns < NR) return finish_part<Avx2>(sum, bias, scale, epilogue, rows, columns, out, ldo);
    const __m256 one = _mm256_set1_ps(1.0f);
    for (Index j = 0; j < NR; j += 8) {
      const __m256 b = bias == nullptr ? _mm256_setzero_ps() : _mm256_loadu_ps(bias + j);
      const __m256 s = scale == nullptr ? one : _mm256_loadu_ps(scale + j);
      for (Index i = 0; i < rows; ++i) {
        __m256 x = _mm256_add_ps(_mm256_loadu_ps(sum + i * NR + j), b);
        float* to = out + i * ldo + j;
        if (epilogue == Epilogue::bias_gelu) x = gelu(x);
        if (epilogue == Epilogue::bias_residual) x = _mm256_fmadd_ps(s, x, _mm256_loadu_ps(to));
        _mm256_storeu_ps(to, x);
      }
    }
  }

  BEIT_TARGET_AVX2 static float softmax_row(float* x, Index n) {
    const Index whole = n / 8 * 8;
    const __m256i rest = first_lanes(n - whole);
    const __m256 lowest = _mm256_set1_ps(-3.4e38f);
    const __m256 tail = _mm256_blendv_ps(lowest, _mm256_maskload_ps(x + whole, rest), _mm256_castsi256_ps(rest));
    __m256 largest = tail;
    for (Index i = 0; i < whole; i += 8) largest = _mm256_max_ps(largest, _mm256_loadu_ps(x + i));
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, largest);
    const __m256 shift = _mm256_set1_ps(*std::max_element(lanes, lanes + 8));
    __m256 sums = _mm256_setzero_ps();
    for (Index i = 0; i < whole; i += 8) {
      const __m256 e = exp(_mm256_sub_ps(_mm256_loadu_ps(x + i), shift));
      _mm256_storeu_ps(x + i, e);
      sums = _mm256_add_ps(sums, e);
    }
    const __m256 e = _mm256_and_ps(exp(_mm256_sub_ps(tail, shift)), _mm256_castsi256_ps(rest));
    _mm256_maskstore_ps(x + whole, rest, e);
    return 1.0f / sum_lanes(_mm256_add_ps(sums, e));
  }

  BEIT_TARGET_AVX2 static void layer_norm(const float* x, Index ldx, Index rows, Index c, const float* weight,
                                          const float* bias, float eps, float* out, Index ldo) {
    const Index whole = c / 8 * 8;
    const __m256i rest = first_lanes(c - whole);
    const float size = static_cast<float>(c);
    for (Index row = 0; row < rows; ++row, x += ldx, out += ldo) {
      const __m256 tail = _mm256_maskload_ps(x + whole, rest);
      __m256 sums = tail;
      for (Index i = 0; i < whole; i += 8) sums = _mm256_add_ps(sums, _mm256_loadu_ps(x + i));
      // The rounded mean is where the second pass measures from; what it is off by is found there.
      const __m256 about = _mm256_set1_ps(sum_lanes(sums) / size);
      const __m256 d = _mm256_and_ps(_mm256_sub_ps(tail, about), _mm256_castsi256_ps(rest));
      __m256 offsets = d, squares = _mm256_mul_ps(d, d);
      for (Index i = 0; i < whole; i += 8) {
        const __m256 e = _mm256_sub_ps(_mm256_loadu_ps(x + i), about);
        offsets = _mm256_add_ps(offsets, e);
        squares = _mm256_fmadd_ps(e, e, squares);
      }
      const float offset = sum_lanes(offsets) / size;
      const float variance = sum_lanes(squares) / size - offset * offset;
      const float reciprocal = 1.0f / std::sqrt(std::max(variance, 0.0f) + eps);
      const __m256 scale = _mm256_set1_ps(reciprocal), shift = _mm256_set1_ps(-offset * reciprocal);
      for (Index i = 0; i < whole; i += 8) {
        const __m256 e = _mm256_fmadd_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), about), scale, shift);
        _mm256_storeu_ps(out + i, _mm256_fmadd_ps(e, _mm256_loadu_ps(weight + i), _mm256_loadu_ps(bias + i)));
      }
      const __m256 e = _mm256_fmadd_ps(d, scale, shift);
      _mm256_maskstore_ps(
          out + whole, rest,
          _mm256_fmadd_ps(e, _mm256_maskload_ps(weight + whole, rest), _mm256_maskload_ps(bias + whole, rest)));
    }
  }

  static constexpr Kernels table() {
    return {Isa::avx2,
            PackedGemm<Avx2, float>::kernel(),
            PackedGemm<Avx2, std::uint16_t>::kernel(),
            &FusedAttention<Avx2>::scratch,
            &FusedAttention<Avx2>::run,
            &layer_norm,
            &Portable::mean_rows};
  }

 private:
  BEIT_TARGET_AVX2 static void add(float* p, __m256 s0, __m256 s1) {
    _mm256_storeu_ps(p, _mm256_add_ps(_mm256_loadu_ps(p), s0));
    _mm256_storeu_ps(p + 8, _mm256_add_ps(_mm256_loadu_ps(p + 8), s1));
  }

  /// All bits of the first `count` lanes.
  BEIT_TARGET_AVX2 static __m256i first_lanes(Index count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  BEIT_TARGET_AVX2 static float sum_lanes(__m256 x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }

  /// exp(x) for x <= 0.
  BEIT_TARGET_AVX2 static __m256 exp(__m256 x) {
    x = _mm256_max_ps(x, _mm256_set1_ps(exp_lowest));
    const __m256 n =
        _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(log2_e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(ln2_high), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(ln2_low), r);
    __m256 p = _mm256_set1_ps(exp_coefficients[4]);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(exp_coefficients[3]));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(exp_coefficients[2]));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(exp_coefficients[1]));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(exp_coefficients[0]));
    p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
    const __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
  }

  /// max(x, 0) - |x|/2 * erfc(|x|/sqrt(2)), which is x/2 * (1 + erf(x/sqrt(2))) without cancellation.
  BEIT_TARGET_AVX2 static __m256 gelu(__m256 x) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(size, _mm256_set1_ps(erfc_p * sqrt_half), one));
    __m256 p = _mm256_set1_ps(erfc_coefficients[6]);
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[5]));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[4]));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[3]));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[2]));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[1]));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(erfc_coefficients[0]));
    const __m256 half_size = _mm256_mul_ps(size, _mm256_set1_ps(0.5f));
    const __m256 e = exp(_mm256_mul_ps(size, _mm256_sub_ps(_mm256_setzero_ps(), half_size)));
    const __m256 tail = _mm256_mul_ps(_mm256_mul_ps(half_size, t), _mm256_mul_ps(p, e));
    return _mm256_sub_ps(_mm256_max_ps(x, _mm256_setzero_ps()), tail);
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_X86_KERNELS
