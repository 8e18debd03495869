// Eight floats in a register of AVX2, for arithmetic.inl, strips.inl and the levels' products.
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

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The interface that arithmetic.inl and panel_tile.inl require of a vector type. With a `count`, only that many lanes
/// exist in memory: none if it is below 0, all from `lanes` on.
struct VectorAvx2 {
  using Floats = __m256;
  /// Not __m256i, a vector of four integers: GCC 12 would keep members of that type in memory.
  typedef std::int32_t Integers __attribute__((vector_size(32)));
  static constexpr Index lanes = 8;

  BEIT_TARGET_AVX2 static Floats zero() { return _mm256_setzero_ps(); }
  BEIT_TARGET_AVX2 static Floats set(float x) { return _mm256_set1_ps(x); }
  BEIT_TARGET_AVX2 static Floats load(const float* p) { return _mm256_loadu_ps(p); }
  /// Loads the first lanes, with zeros in the others.
  BEIT_TARGET_AVX2 static Floats load(const float* p, Index count) { return _mm256_maskload_ps(p, first_lanes(count)); }
  BEIT_TARGET_AVX2 static void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
  BEIT_TARGET_AVX2 static void store(float* p, Floats x, Index count) { _mm256_maskstore_ps(p, first_lanes(count), x); }
  /// Takes the first lanes of x and the others of `rest`.
  BEIT_TARGET_AVX2 static Floats first(Floats x, Index count, Floats rest) {
    return _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(first_lanes(count)));
  }

  BEIT_TARGET_AVX2 static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  BEIT_TARGET_AVX2 static Floats sub(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  BEIT_TARGET_AVX2 static Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  BEIT_TARGET_AVX2 static Floats div(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  /// a * b + c
  BEIT_TARGET_AVX2 static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  /// c - a * b
  BEIT_TARGET_AVX2 static Floats fnma(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
  BEIT_TARGET_AVX2 static Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  BEIT_TARGET_AVX2 static Floats min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
  BEIT_TARGET_AVX2 static Floats abs(Floats x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
  /// Rounds to the nearest integer, ties to even.
  BEIT_TARGET_AVX2 static Floats round(Floats x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  /// x * 2^n for integers n that leave the result a normal number.
  BEIT_TARGET_AVX2 static Floats times_power_of_two(Floats x, Floats n) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
  }
  /// The sum of all lanes.
  BEIT_TARGET_AVX2 static float sum(Floats x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  BEIT_TARGET_AVX2 static float largest(Floats x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }

  /// a - b as floats.
  BEIT_TARGET_AVX2 static Floats difference(const std::int32_t* a, const std::int32_t* b) {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(load_bits(a), load_bits(b)));
  }
  /// Stores the nearest integers, of magnitudes up to 127; unsigned ones have 128 added.
  BEIT_TARGET_AVX2 static void store_integers(Floats x, Index count, std::int16_t* p) {
    store_first(to_int16(x), count, p);
  }
  BEIT_TARGET_AVX2 static void store_integers(Floats x, Index count, std::uint8_t* p) {
    const __m128i shifted = _mm_add_epi16(to_int16(x), _mm_set1_epi16(128));
    store_first(_mm_packus_epi16(shifted, shifted), count, p);
  }
  BEIT_TARGET_AVX2 static void store_integers(Floats x, Index count, std::int8_t* p) {
    const __m128i integers = to_int16(x);
    store_first(_mm_packs_epi16(integers, integers), count, p);
  }
  /// Widens a vector's lanes of stored weights to the type that is multiplied.
  BEIT_TARGET_AVX2 static void widen(const std::uint16_t* in, float* out) {
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
    store(out, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)));
  }
  BEIT_TARGET_AVX2 static void widen(const std::int8_t* in, std::int16_t* out) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_cvtepi8_epi16(bytes));
  }

  // The functions that panel_tile.inl requires, by the types in memory.

  BEIT_TARGET_AVX2 static Floats zeros(const float*) { return zero(); }
  BEIT_TARGET_AVX2 static Integers zeros(const std::int32_t*) { return Integers{}; }
  /// Loads a vector's columns of a panel.
  BEIT_TARGET_AVX2 static Floats factors(const float* panel) { return load(panel); }
  template <typename T>
  BEIT_TARGET_AVX2 static __m256i factors(const T* panel) {
    return load_bits(panel);
  }
  /// Repeats four bytes, of any alignment, in every lane.
  BEIT_TARGET_AVX2 static Floats broadcast(const float* p) { return set(*p); }
  template <typename T>
  BEIT_TARGET_AVX2 static __m256i broadcast(const T* p) {
    std::int32_t group;
    std::memcpy(&group, p, sizeof(group));
    return _mm256_set1_epi32(group);
  }
  BEIT_TARGET_AVX2 static __m256i load_bits(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  /// p += x and p = x, for sums of either type.
  BEIT_TARGET_AVX2 static void add_to(float* p, Floats x) { store(p, add(load(p), x)); }
  BEIT_TARGET_AVX2 static void add_to(std::int32_t* p, Integers x) {
    put(p, reinterpret_cast<Integers>(_mm256_add_epi32(load_bits(p), reinterpret_cast<__m256i>(x))));
  }
  BEIT_TARGET_AVX2 static void put(float* p, Floats x) { store(p, x); }
  BEIT_TARGET_AVX2 static void put(std::int32_t* p, Integers x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(x));
  }

  // The functions that strips.inl requires. A register consists of lanes of 32 bits, and of blocks of four lanes.

  using Bits = __m256i;
  typedef std::uint32_t Words __attribute__((vector_size(32)));
  using PairSums = Words;
  /// A byte of a strip, a stack or a block is a pixel's xor this.
  static constexpr std::uint8_t bias = 0;

  BEIT_TARGET_AVX2 static void store_strip(std::uint8_t* p, Bits x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
  }
  /// Repeats 16 bytes in every block.
  BEIT_TARGET_AVX2 static Bits repeat(const void* p) { return _mm256_broadcastsi128_si256(load_block(p)); }
  /// Block b holds 16 bytes from p[4 * b] + at.
  BEIT_TARGET_AVX2 static Bits load_blocks(const std::uint8_t* const* p, Index at) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_block(p[0] + at)), load_block(p[4] + at), 1);
  }
  /// Stores 16 bytes from each p[t] + at, t < 4: byte i of p[t] at out[4 * i + t].
  BEIT_TARGET_AVX2 static void store_interleaved(const std::uint8_t* const* p, Index at, std::uint8_t* out) {
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
  /// Selects the bytes of each block of x that `order` names; 0x80 names a zero.
  BEIT_TARGET_AVX2 static Bits shuffle(Bits x, Bits order) { return _mm256_shuffle_epi8(x, order); }
  /// Take lanes of a and b in turn, from the lower or the upper half of each block; the last two take pairs of lanes.
  BEIT_TARGET_AVX2 static Bits zip_low(Bits a, Bits b) { return _mm256_unpacklo_epi32(a, b); }
  BEIT_TARGET_AVX2 static Bits zip_high(Bits a, Bits b) { return _mm256_unpackhi_epi32(a, b); }
  BEIT_TARGET_AVX2 static Bits zip_low_pairs(Bits a, Bits b) { return _mm256_unpacklo_epi64(a, b); }
  BEIT_TARGET_AVX2 static Bits zip_high_pairs(Bits a, Bits b) { return _mm256_unpackhi_epi64(a, b); }
  /// Bytes 0 and 2 of each lane, or bytes 1 and 3, as two numbers of 16 bits.
  BEIT_TARGET_AVX2 static Bits even_bytes(Bits x) { return _mm256_and_si256(x, _mm256_set1_epi16(0xff)); }
  BEIT_TARGET_AVX2 static Bits odd_bytes(Bits x) { return _mm256_srli_epi16(x, 8); }
  /// Adds to each lane of `sums` its two products of signed 16-bit numbers, modulo 2^32. lane_sums returns the results.
  BEIT_TARGET_AVX2 static PairSums add_products(PairSums sums, Bits x, Bits y) {
    return sums + reinterpret_cast<Words>(_mm256_madd_epi16(x, y));
  }
  BEIT_TARGET_AVX2 static Words lane_sums(PairSums sums) { return sums; }
  /// Stores the lanes of x, y and z, clamped to bytes, at out, out + 16 and out + 32.
  BEIT_TARGET_AVX2 static void store_block(Integers x, Integers y, Integers z, std::uint8_t* out) {
    const __m256i xy = _mm256_packs_epi32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y));
    const __m256i z0 = _mm256_packs_epi32(reinterpret_cast<__m256i>(z), _mm256_setzero_si256());
    // Each block holds four bytes of x, of y and of z.
    const __m256i bytes =
        _mm256_permutevar8x32_epi32(_mm256_packus_epi16(xy, z0), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const __m128i first = _mm256_castsi256_si128(bytes);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), first);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 16), _mm_unpackhi_epi64(first, first));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 32), _mm256_extracti128_si256(bytes, 1));
  }
  /// Stores the lanes, clamped to bytes: lane l of block b at out[b + blocks * l], at most `count` of them.
  BEIT_TARGET_AVX2 static void store_transposed(Integers x, Index count, std::uint8_t* out) {
    const __m256i words = _mm256_packs_epi32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(x));
    const __m256i bytes = _mm256_packus_epi16(words, words);
    store_first(_mm_unpacklo_epi8(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)), count, out);
  }

 private:
  BEIT_TARGET_AVX2 static __m128i load_block(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  /// A mask with all bits of the first `count` lanes.
  BEIT_TARGET_AVX2 static __m256i first_lanes(Index count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  BEIT_TARGET_AVX2 static __m128i to_int16(Floats x) {
    const __m256i integers = _mm256_cvtps_epi32(x);
    return _mm_packs_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
  }
  template <typename T>
  BEIT_TARGET_AVX2 static void store_first(__m128i x, Index count, T* p) {
    if (count >= lanes) {
      std::memcpy(p, &x, lanes * sizeof(T));
    } else if (count > 0) {
      std::memcpy(p, &x, static_cast<std::size_t>(count) * sizeof(T));
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_X86_KERNELS
