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
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/version.hpp>
#include <beit/kernels/approximations.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/portable.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx512 {
  using Packing = Avx2Packing;

  struct Float {
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    static constexpr Index MR = 6, NR = 64, group = 1, chunk = 128;
    static constexpr Form form = Form::float32;

    BEIT_TARGET_AVX512 static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups, Sum* sum) {
      // Rows that aren't there repeat the last one: see Portable::Float::tile.
      const float* a0 = a;
      const float* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const float* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const float* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const float* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const float* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups; ++i, panel += NR) {
        const __m512 b0 = _mm512_loadu_ps(panel), b1 = _mm512_loadu_ps(panel + 16);
        const __m512 b2 = _mm512_loadu_ps(panel + 32), b3 = _mm512_loadu_ps(panel + 48);
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

   private:
    struct Sums {
      __m512 v0, v1, v2, v3;
    };
    BEIT_TARGET_AVX512 static Sums zeros() {
      return {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    }
    BEIT_TARGET_AVX512 static void step(Sums& s, const A* a, __m512 b0, __m512 b1, __m512 b2, __m512 b3) {
      const __m512 x = _mm512_set1_ps(*a);
      s.v0 = _mm512_fmadd_ps(x, b0, s.v0);
      s.v1 = _mm512_fmadd_ps(x, b1, s.v1);
      s.v2 = _mm512_fmadd_ps(x, b2, s.v2);
      s.v3 = _mm512_fmadd_ps(x, b3, s.v3);
    }
    BEIT_TARGET_AVX512 static void add(Sum* p, const Sums& s) {
      _mm512_storeu_ps(p, _mm512_add_ps(_mm512_loadu_ps(p), s.v0));
      _mm512_storeu_ps(p + 16, _mm512_add_ps(_mm512_loadu_ps(p + 16), s.v1));
      _mm512_storeu_ps(p + 32, _mm512_add_ps(_mm512_loadu_ps(p + 32), s.v2));
      _mm512_storeu_ps(p + 48, _mm512_add_ps(_mm512_loadu_ps(p + 48), s.v3));
    }
  };

  /// Weights in bfloat16, arithmetic in float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
    BEIT_TARGET_AVX512 static void widen(const Stored* in, Index count, Panel* out) {
      for (Index i = 0; i < count; i += 16) {  // whole panels: a multiple of NR
        const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i)));
        _mm512_storeu_ps(out + i, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)));
      }
    }
  };

  /// What quantised products of every AVX-512 level share.
  struct Integers {
    using Stored = std::int8_t;
    using Sum = std::int32_t;
    static constexpr Index MR = 6, NR = 64;

    BEIT_TARGET_AVX512 static void dequantise(Sum* sum, Index rows, const float* row_scale, const float* column_scale,
                                              const std::int32_t* offset) {
      Avx512::dequantise<NR>(sum, rows, row_scale, column_scale, offset);
    }

   protected:
    /// Sixteen sums. Not __m512i, which is of eight: GCC 12 would keep members of that type in memory.
    typedef std::int32_t Lanes __attribute__((vector_size(64)));
    struct Sums {
      Lanes v0, v1, v2, v3;
    };
    BEIT_TARGET_AVX512 static Sums zeros() { return {Lanes{}, Lanes{}, Lanes{}, Lanes{}}; }
    BEIT_TARGET_AVX512 static void add(Sum* p, const Sums& s) {
      add(p, s.v0);
      add(p + 16, s.v1);
      add(p + 32, s.v2);
      add(p + 48, s.v3);
    }
    BEIT_TARGET_AVX512 static void add(Sum* p, Lanes s) {
      _mm512_storeu_si512(p, _mm512_add_epi32(_mm512_loadu_si512(p), reinterpret_cast<__m512i>(s)));
    }

    /// Sixteen numbers as integers, zeros where `lanes` says there are none.
    BEIT_TARGET_AVX512 static __m512i quantise(const float* x, __mmask16 lanes, __m512 inverse) {
      return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x), inverse));
    }

    BEIT_TARGET_AVX512 static float largest_magnitude(const float* x, Index k) {
      __m512 largest = _mm512_setzero_ps();
      for (Index i = 0; i < k; i += 16) {
        largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(first_lanes(k - i), x + i)));
      }
      return _mm512_reduce_max_ps(largest);
    }
  };

  /// As Avx2::Int8.
  struct Int8 : Integers {
    using A = std::int16_t;
    using Panel = std::int16_t;
    static constexpr Index group = 2, chunk = 128;
    static constexpr Form form = Form::int16;

    BEIT_TARGET_AVX512 static void widen(const Stored* in, Index count, Panel* out) {
      for (Index i = 0; i < count; i += 32) {  // whole panels: a multiple of NR * group
        _mm512_storeu_si512(out + i,
                            _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i))));
      }
    }

    BEIT_TARGET_AVX512 static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups, Sum* sum) {
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

    BEIT_TARGET_AVX512 static void encode_row(const float* x, Index k, Index depth, A* out, float* scale) {
      const float largest = largest_magnitude(x, k);
      *scale = largest / int8_limit;
      const __m512 inverse = _mm512_set1_ps(inverse_int8_scale(largest));
      for (Index i = 0; i < depth; i += 16) {
        _mm256_mask_storeu_epi16(out + i, first_lanes(depth - i),
                                 _mm512_cvtepi32_epi16(quantise(x + i, first_lanes(k - i), inverse)));
      }
    }

   private:
    BEIT_TARGET_AVX512 static void step(Sums& s, const A* a, __m512i b0, __m512i b1, __m512i b2, __m512i b3) {
      const __m512i x = broadcast_group(a);
      s.v0 += reinterpret_cast<Lanes>(_mm512_madd_epi16(x, b0));
      s.v1 += reinterpret_cast<Lanes>(_mm512_madd_epi16(x, b1));
      s.v2 += reinterpret_cast<Lanes>(_mm512_madd_epi16(x, b2));
      s.v3 += reinterpret_cast<Lanes>(_mm512_madd_epi16(x, b3));
    }
  };

  template <Index MR, Index NR>
  BEIT_TARGET_AVX512 static void finish(const float* sum, const float* bias, const float* scale, Epilogue epilogue,
                                        Index rows, Index columns, Form form, void* out, Index ldo) {
    if (columns < NR) return finish_part<Avx512, MR, NR>(sum, bias, scale, epilogue, rows, columns, form, out, ldo);
    const __m512 one = _mm512_set1_ps(1.0f);
    for (Index j = 0; j < NR; j += 16) {
      const __m512 b = bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(bias + j);
      const __m512 s = scale == nullptr ? one : _mm512_loadu_ps(scale + j);
      for (Index i = 0; i < rows; ++i) {
        __m512 x = _mm512_add_ps(_mm512_loadu_ps(sum + i * NR + j), b);
        const Index at = i * ldo + j;
        if (epilogue == Epilogue::bias_gelu) x = gelu(x);
        if (form == Form::bfloat16) {
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<std::uint16_t*>(out) + at), to_bfloat16(x));
          continue;
        }
        float* to = static_cast<float*>(out) + at;
        if (epilogue == Epilogue::bias_residual) x = _mm512_fmadd_ps(s, x, _mm512_loadu_ps(to));
        _mm512_storeu_ps(to, x);
      }
    }
  }

  template <Index NR>
  BEIT_TARGET_AVX512 static void dequantise(std::int32_t* sum, Index rows, const float* row_scale,
                                            const float* column_scale, const std::int32_t* offset) {
    for (Index i = 0; i < rows; ++i, sum += NR) {
      const __m512 scale = _mm512_set1_ps(row_scale[i]);
      for (Index j = 0; j < NR; j += 16) {
        const __m512 x =
            _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(sum + j), _mm512_loadu_si512(offset + j)));
        const __m512 y = _mm512_mul_ps(x, _mm512_mul_ps(scale, _mm512_loadu_ps(column_scale + j)));
        _mm512_storeu_si512(sum + j, _mm512_castps_si512(y));
      }
    }
  }

  /// The nearest bfloat16, ties to even; NaN stays NaN.
  BEIT_TARGET_AVX512 static __m256i to_bfloat16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i result = _mm512_mask_mov_epi32(rounded, is_nan, _mm512_set1_epi32(0x7FC00000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(result, 16));
  }

  /// A group of a, 4 bytes at any alignment, in every lane.
  BEIT_TARGET_AVX512 static __m512i broadcast_group(const void* a) {
    std::int32_t group;
    std::memcpy(&group, a, sizeof(group));
    return _mm512_set1_epi32(group);
  }

  /// The first `count` lanes: none below 0, all from 16 on.
  BEIT_TARGET_AVX512 static __mmask16 first_lanes(Index count) {
    return static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1u << std::max<Index>(count, 0)) - 1);
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
    constexpr AttentionKernel attention = FusedAttention<Avx512, Float>::kernel();
    constexpr Arithmetic float32{PackedGemm<Avx512, Float>::kernel(), attention};
    return {Isa::avx512,
            float32,
            float32,
            {PackedGemm<Avx512, Bfloat16>::kernel(), attention},
            {PackedGemm<Avx512, Int8>::kernel(), attention},
            &layer_norm,
            &Portable::mean_rows};
  }

 private:
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

BEIT_INTRINSICS_END

#endif  // BEIT_X86_KERNELS
