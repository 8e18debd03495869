// The AVX2 and FMA level.
//
// Tile of 6 x 16: 12 registers of sums, 2 of the panel, 1 broadcast of a (and 1 product of integers): 16. Two loads of
// the panel and six broadcasts feed twelve FMAs a step, within two loads and two FMAs a cycle (the shape that BLIS uses
// on Haswell).
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

namespace beit::inline BEIT_ABI {

namespace kernels {

struct Avx2 {
  using Packing = Avx2Packing;

  struct Float {
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    static constexpr Index MR = 6, NR = 16, group = 1, chunk = 256;
    static constexpr Form form = Form::float32;

    BEIT_TARGET_AVX2 static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups, Sum* sum) {
      // Rows that aren't there repeat the last one: see Portable::Float::tile.
      const float* a0 = a;
      const float* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const float* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const float* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const float* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const float* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups; ++i, panel += NR) {
        const __m256 b0 = _mm256_loadu_ps(panel), b1 = _mm256_loadu_ps(panel + 8);
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
    struct Sums {
      __m256 v0, v1;
    };
    BEIT_TARGET_AVX2 static Sums zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
    BEIT_TARGET_AVX2 static void step(Sums& s, const float* a, __m256 b0, __m256 b1) {
      const __m256 x = _mm256_broadcast_ss(a);
      s.v0 = _mm256_fmadd_ps(x, b0, s.v0);
      s.v1 = _mm256_fmadd_ps(x, b1, s.v1);
    }
    BEIT_TARGET_AVX2 static void add(float* p, const Sums& s) {
      _mm256_storeu_ps(p, _mm256_add_ps(_mm256_loadu_ps(p), s.v0));
      _mm256_storeu_ps(p + 8, _mm256_add_ps(_mm256_loadu_ps(p + 8), s.v1));
    }
  };

  /// Weights in bfloat16, arithmetic in float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
    BEIT_TARGET_AVX2 static void widen(const Stored* in, Index count, Panel* out) {
      for (Index i = 0; i < count; i += 8) {  // whole panels: a multiple of NR
        const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i)));
        _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)));
      }
    }
  };

  /// What products of integers share.
  struct Integers {
    using Stored = std::int8_t;
    using Sum = std::int32_t;
    static constexpr Index MR = 6, NR = 16;

    BEIT_TARGET_AVX2 static void dequantise(Sum* sum, Index rows, const float* row_scale, const float* column_scale,
                                            const std::int32_t* offset) {
      for (Index i = 0; i < rows; ++i, sum += NR) {
        const __m256 scale = _mm256_set1_ps(row_scale[i]);
        for (Index j = 0; j < NR; j += 8) {
          const __m256 x = _mm256_cvtepi32_ps(_mm256_sub_epi32(load_bits(sum + j), load_bits(offset + j)));
          const __m256 y = _mm256_mul_ps(x, _mm256_mul_ps(scale, _mm256_loadu_ps(column_scale + j)));
          store_bits(sum + j, _mm256_castps_si256(y));
        }
      }
    }

    /// To int16, or to uint8 with 128 on top.
    template <typename A>
    BEIT_TARGET_AVX2 static void encode_row(const float* x, Index k, Index depth, A* out, float* scale) {
      const Index whole = k / 8 * 8;
      const __m256i rest = first_lanes(k - whole);
      const __m256 sign = _mm256_set1_ps(-0.0f), tail = _mm256_maskload_ps(x + whole, rest);
      __m256 largest = _mm256_andnot_ps(sign, tail);
      for (Index i = 0; i < whole; i += 8) {
        largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
      }
      const float size = largest_lane(largest);
      *scale = size / int8_limit;
      const __m256 inverse = _mm256_set1_ps(inverse_int8_scale(size));
      for (Index i = 0; i < whole; i += 8) quantise(_mm256_loadu_ps(x + i), inverse, out + i);
      A last[8];
      quantise(tail, inverse, last);
      std::copy_n(last, depth - whole, out + whole);  // zeros as they are encoded, to depth
    }

   protected:
    /// Eight sums. Not __m256i, which is of four: GCC 12 would keep members of that type in memory.
    typedef std::int32_t Lanes __attribute__((vector_size(32)));
    struct Sums {
      Lanes v0, v1;
    };
    BEIT_TARGET_AVX2 static Sums zeros() { return {Lanes{}, Lanes{}}; }
    BEIT_TARGET_AVX2 static void add(Sum* p, const Sums& s) {
      store_bits(p, _mm256_add_epi32(load_bits(p), reinterpret_cast<__m256i>(s.v0)));
      store_bits(p + 8, _mm256_add_epi32(load_bits(p + 8), reinterpret_cast<__m256i>(s.v1)));
    }
    BEIT_TARGET_AVX2 static __m256i load_bits(const void* p) {
      return _mm256_loadu_si256(static_cast<const __m256i*>(p));
    }
    BEIT_TARGET_AVX2 static void store_bits(void* p, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
    /// A group of a's row, 32 bits, in every lane.
    BEIT_TARGET_AVX2 static __m256i broadcast_group(const void* a) {
      std::int32_t group;
      std::memcpy(&group, a, sizeof group);
      return _mm256_set1_epi32(group);
    }

   private:
    BEIT_TARGET_AVX2 static __m128i quantise(__m256 x, __m256 inverse) {
      const __m256i integers = _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
      return _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
    }
    BEIT_TARGET_AVX2 static void quantise(__m256 x, __m256 inverse, std::int16_t* out) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), quantise(x, inverse));
    }
    BEIT_TARGET_AVX2 static void quantise(__m256 x, __m256 inverse, std::uint8_t* out) {
      const __m128i shifted = _mm_add_epi16(quantise(x, inverse), _mm_set1_epi16(128));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(shifted, shifted));
    }
  };

  /// Two products of 16 bits and their sum an instruction (vpmaddwd): exact, and twice float's rate. Products of bytes
  /// (vpmaddubsw) would saturate.
  struct Int8 : Integers {
    using A = std::int16_t;
    using Panel = std::int16_t;
    static constexpr Index group = 2, chunk = 256;
    static constexpr Form form = Form::int16;

    BEIT_TARGET_AVX2 static void widen(const Stored* in, Index count, Panel* out) {
      for (Index i = 0; i < count; i += 16) {  // whole panels: a multiple of NR * group
        store_bits(out + i, _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
      }
    }

    BEIT_TARGET_AVX2 static void tile(const A* a, Index lda, Index rows, const Panel* panel, Index groups, Sum* sum) {
      const A* a0 = a;
      const A* a1 = a + std::min<Index>(1, rows - 1) * lda;
      const A* a2 = a + std::min<Index>(2, rows - 1) * lda;
      const A* a3 = a + std::min<Index>(3, rows - 1) * lda;
      const A* a4 = a + std::min<Index>(4, rows - 1) * lda;
      const A* a5 = a + std::min<Index>(5, rows - 1) * lda;
      Sums s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros(), s4 = zeros(), s5 = zeros();
      for (Index i = 0; i < groups * group; i += group, panel += NR * group) {
        const __m256i b0 = load_bits(panel), b1 = load_bits(panel + NR);
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
    BEIT_TARGET_AVX2 static void step(Sums& s, const A* a, __m256i b0, __m256i b1) {
      const __m256i x = broadcast_group(a);
      s.v0 += reinterpret_cast<Lanes>(_mm256_madd_epi16(x, b0));
      s.v1 += reinterpret_cast<Lanes>(_mm256_madd_epi16(x, b1));
    }
  };

  template <Index MR, Index NR>
  BEIT_TARGET_AVX2 static void finish(const float* sum, const float* bias, const float* scale, Epilogue epilogue,
                                      Index rows, Index columns, Form form, void* out, Index ldo) {
    if (columns < NR) return finish_part<Avx2, MR, NR>(sum, bias, scale, epilogue, rows, columns, form, out, ldo);
    const __m256 one = _mm256_set1_ps(1.0f);
    for (Index j = 0; j < NR; j += 8) {
      const __m256 b = bias == nullptr ? _mm256_setzero_ps() : _mm256_loadu_ps(bias + j);
      const __m256 s = scale == nullptr ? one : _mm256_loadu_ps(scale + j);
      for (Index i = 0; i < rows; ++i) {
        __m256 x = _mm256_add_ps(_mm256_loadu_ps(sum + i * NR + j), b);
        float* to = static_cast<float*>(out) + i * ldo + j;  // no product of this level reads bfloat16
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
    const __m256 shift = _mm256_set1_ps(largest_lane(largest));
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
    constexpr AttentionKernel attention = FusedAttention<Avx2, Float>::kernel();
    constexpr Arithmetic float32{PackedGemm<Avx2, Float>::kernel(), attention};
    return {Isa::avx2,
            float32,
            float32,
            {PackedGemm<Avx2, Bfloat16>::kernel(), attention},
            {PackedGemm<Avx2, Int8>::kernel(), attention},
            &layer_norm,
            &Portable::mean_rows};
  }

 private:
  /// All bits of the first `count` lanes.
  BEIT_TARGET_AVX2 static __m256i first_lanes(Index count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  BEIT_TARGET_AVX2 static float sum_lanes(__m256 x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }

  BEIT_TARGET_AVX2 static float largest_lane(__m256 x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
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
