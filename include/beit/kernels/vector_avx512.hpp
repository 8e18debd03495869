// Sixteen floats in a register of AVX-512, for arithmetic.inl and the levels' products.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The interface that VectorAvx2 documents, on registers of AVX-512.
struct VectorAvx512 {
  using Floats = __m512;
  /// Not __m512i, which is of eight: GCC 12 would keep members of that type in memory.
  typedef std::int32_t Integers __attribute__((vector_size(64)));
  static constexpr Index lanes = 16;

  BEIT_TARGET_AVX512 static Floats zero() { return _mm512_setzero_ps(); }
  BEIT_TARGET_AVX512 static Floats set(float x) { return _mm512_set1_ps(x); }
  BEIT_TARGET_AVX512 static Floats load(const float* p) { return _mm512_loadu_ps(p); }
  BEIT_TARGET_AVX512 static Floats load(const float* p, Index count) {
    return _mm512_maskz_loadu_ps(first_lanes(count), p);
  }
  BEIT_TARGET_AVX512 static void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
  BEIT_TARGET_AVX512 static void store(float* p, Floats x, Index count) {
    _mm512_mask_storeu_ps(p, first_lanes(count), x);
  }
  BEIT_TARGET_AVX512 static Floats first(Floats x, Index count, Floats rest) {
    return _mm512_mask_mov_ps(rest, first_lanes(count), x);
  }

  BEIT_TARGET_AVX512 static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  BEIT_TARGET_AVX512 static Floats fnma(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
  BEIT_TARGET_AVX512 static Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  BEIT_TARGET_AVX512 static Floats abs(Floats x) { return _mm512_abs_ps(x); }
  BEIT_TARGET_AVX512 static Floats round(Floats x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  BEIT_TARGET_AVX512 static Floats times_power_of_two(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }
  BEIT_TARGET_AVX512 static float sum(Floats x) { return _mm512_reduce_add_ps(x); }
  BEIT_TARGET_AVX512 static float largest(Floats x) { return _mm512_reduce_max_ps(x); }

  BEIT_TARGET_AVX512 static Floats difference(const std::int32_t* a, const std::int32_t* b) {
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(a), _mm512_loadu_si512(b)));
  }
  BEIT_TARGET_AVX512 static void store_integers(Floats x, Index count, std::int16_t* p) {
    _mm256_mask_storeu_epi16(p, first_lanes(count), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
  }
  BEIT_TARGET_AVX512 static void store_integers(Floats x, Index count, std::uint8_t* p) {
    const __m512i shifted = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(128));
    _mm_mask_storeu_epi8(p, first_lanes(count), _mm512_cvtepi32_epi8(shifted));
  }
  BEIT_TARGET_AVX512 static void store_integers(Floats x, Index count, std::int8_t* p) {
    _mm_mask_storeu_epi8(p, first_lanes(count), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
  }
  BEIT_TARGET_AVX512 static void widen(const std::uint16_t* in, float* out) {
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)));
    store(out, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)));
  }
  BEIT_TARGET_AVX512 static void widen(const std::int8_t* in, std::int16_t* out) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_cvtepi8_epi16(bytes));
  }

  BEIT_TARGET_AVX512 static Floats zeros(const float*) { return zero(); }
  BEIT_TARGET_AVX512 static Integers zeros(const std::int32_t*) { return Integers{}; }
  BEIT_TARGET_AVX512 static Floats factors(const float* panel) { return load(panel); }
  template <typename T>
  BEIT_TARGET_AVX512 static __m512i factors(const T* panel) {
    return load_bits(panel);
  }
  BEIT_TARGET_AVX512 static Floats broadcast(const float* p) { return set(*p); }
  template <typename T>
  BEIT_TARGET_AVX512 static __m512i broadcast(const T* p) {
    std::int32_t group;
    std::memcpy(&group, p, sizeof(group));
    return _mm512_set1_epi32(group);
  }
  BEIT_TARGET_AVX512 static __m512i load_bits(const void* p) { return _mm512_loadu_si512(p); }
  BEIT_TARGET_AVX512 static void add_to(float* p, Floats x) { store(p, add(load(p), x)); }
  BEIT_TARGET_AVX512 static void add_to(std::int32_t* p, Integers x) {
    _mm512_storeu_si512(p, _mm512_add_epi32(_mm512_loadu_si512(p), reinterpret_cast<__m512i>(x)));
  }
  BEIT_TARGET_AVX512 static void put(float* p, Floats x) { store(p, x); }
  BEIT_TARGET_AVX512 static void put(std::int32_t* p, Integers x) {
    _mm512_storeu_si512(p, reinterpret_cast<__m512i>(x));
  }

  using Bits = __m512i;
  typedef std::uint32_t Words __attribute__((vector_size(64)));
  using PairSums = Words;
  static constexpr std::uint8_t bias = 0;

  BEIT_TARGET_AVX512 static void store_strip(std::uint8_t* p, Bits x) { _mm512_storeu_si512(p, x); }
  BEIT_TARGET_AVX512 static Bits repeat(const void* p) { return _mm512_broadcast_i32x4(load_block(p)); }
  BEIT_TARGET_AVX512 static Bits load_blocks(const std::uint8_t* const* p, Index at) {
    __m512i blocks = _mm512_castsi128_si512(load_block(p[0] + at));
    blocks = _mm512_inserti32x4(blocks, load_block(p[4] + at), 1);
    blocks = _mm512_inserti32x4(blocks, load_block(p[8] + at), 2);
    return _mm512_inserti32x4(blocks, load_block(p[12] + at), 3);
  }
  BEIT_TARGET_AVX512 static void store_interleaved(const std::uint8_t* const* p, Index at, std::uint8_t* out) {
    const __m128i a = load_block(p[0] + at), b = load_block(p[1] + at);
    const __m128i c = load_block(p[2] + at), d = load_block(p[3] + at);
    const __m128i ab_low = _mm_unpacklo_epi8(a, b), cd_low = _mm_unpacklo_epi8(c, d);
    const __m128i ab_high = _mm_unpackhi_epi8(a, b), cd_high = _mm_unpackhi_epi8(c, d);
    __m128i* const to = reinterpret_cast<__m128i*>(out);
    _mm_storeu_si128(to, _mm_unpacklo_epi16(ab_low, cd_low));
    _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(ab_low, cd_low));
    _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(ab_high, cd_high));
    _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(ab_high, cd_high));
  }
  BEIT_TARGET_AVX512 static Bits shuffle(Bits x, Bits order) { return _mm512_shuffle_epi8(x, order); }
  BEIT_TARGET_AVX512 static Bits zip_low(Bits a, Bits b) { return _mm512_unpacklo_epi32(a, b); }
  BEIT_TARGET_AVX512 static Bits zip_high(Bits a, Bits b) { return _mm512_unpackhi_epi32(a, b); }
  BEIT_TARGET_AVX512 static Bits zip_low_pairs(Bits a, Bits b) { return _mm512_unpacklo_epi64(a, b); }
  BEIT_TARGET_AVX512 static Bits zip_high_pairs(Bits a, Bits b) { return _mm512_unpackhi_epi64(a, b); }
  BEIT_TARGET_AVX512 static Bits even_bytes(Bits x) { return _mm512_and_si512(x, _mm512_set1_epi16(0xff)); }
  BEIT_TARGET_AVX512 static Bits odd_bytes(Bits x) { return _mm512_srli_epi16(x, 8); }
  BEIT_TARGET_AVX512 static PairSums add_products(PairSums sums, Bits x, Bits y) {
    return sums + reinterpret_cast<Words>(_mm512_madd_epi16(x, y));
  }
  BEIT_TARGET_AVX512 static Words lane_sums(PairSums sums) { return sums; }
  BEIT_TARGET_AVX512 static void store_block(Integers x, Integers y, Integers z, std::uint8_t* out) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), to_bytes(x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), to_bytes(y));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), to_bytes(z));
  }
  BEIT_TARGET_AVX512 static void store_transposed(Integers x, Index count, std::uint8_t* out) {
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm_mask_storeu_epi8(out, first_lanes(count), _mm_shuffle_epi8(to_bytes(x), order));
  }

  /// The first `count` lanes: none below 0, all from 16 on.
  BEIT_TARGET_AVX512 static __mmask16 first_lanes(Index count) {
    return static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1u << std::max<Index>(count, 0)) - 1);
  }

 private:
  BEIT_TARGET_AVX512 static __m128i load_block(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
  }
  /// The lanes clamped to bytes.
  BEIT_TARGET_AVX512 static __m128i to_bytes(Integers x) {
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(reinterpret_cast<__m512i>(x), _mm512_setzero_si512()));
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_X86_KERNELS
