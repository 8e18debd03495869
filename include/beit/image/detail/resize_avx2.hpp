// The AVX2 level of the resize.
//
// vpmaddwd multiplies pairs of 16 bits and adds the two products: a weight is 2^16 high + low, both of 16 bits with
// sign. Of a lane's four bytes, the even and the odd ones are masked and shifted to 16 bits. Four products and four
// sums serve 4 taps of 8 rows.
// Registers across: 6 sums (low and high of three channels), 4 weights, 3 of data, the mask; down: 8 sums, 4 weights,
// 2 of data, the mask.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/resize_strips.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Splits the weights of four taps for vpmaddwd: low parts of taps 0 and 2, high parts, the same of 1 and 3.
inline void split_to_words(const std::int32_t* weights,  // (4)
                           std::int32_t* parts, Index stride) {
  const auto pair = [](std::int32_t even, std::int32_t odd) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(even) & 0xffffu) | static_cast<std::uint32_t>(odd)
                                                                                        << 16);
  };
  std::int32_t high[4];
  for (int t = 0; t < 4; ++t) high[t] = (weights[t] - static_cast<std::int16_t>(weights[t] & 0xffff)) >> 16;
  parts[0] = pair(weights[0], weights[2]);
  parts[stride] = pair(high[0], high[2]);
  parts[2 * stride] = pair(weights[1], weights[3]);
  parts[3 * stride] = pair(high[1], high[3]);
}

struct ResizeAvx2 {
  static void split(const std::int32_t* weights, std::int32_t* to, Index stride) {
    split_to_words(weights, to, stride);
  }

  /// Lanes of 128 bits of two rows.
  BEIT_TARGET_AVX2 static __m256i load_rows(const std::uint8_t* low, const std::uint8_t* high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
  }

  BEIT_TARGET_AVX2 static void gather(const std::uint8_t* const* rows,  // (16) pointers to 16 bytes each group
                                      Index groups, Index step,
                                      const std::uint8_t* shuffle,  // (16)
                                      std::uint8_t* strip) {        // (groups, 3, 16, 4)
    const __m256i order = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(shuffle)));
    for (Index half = 0; half < 2; ++half, rows += 8) {
      __m256i* to = reinterpret_cast<__m256i*>(strip) + half;
      for (Index at = 0; at < groups * step; at += step, to += 6) {
        // Each lane of 128 bits: 4 red, 4 green, 4 blue of a row; then rows 0 to 3 and 4 to 7 of each colour.
        const __m256i a = _mm256_shuffle_epi8(load_rows(rows[0] + at, rows[4] + at), order);
        const __m256i b = _mm256_shuffle_epi8(load_rows(rows[1] + at, rows[5] + at), order);
        const __m256i c = _mm256_shuffle_epi8(load_rows(rows[2] + at, rows[6] + at), order);
        const __m256i d = _mm256_shuffle_epi8(load_rows(rows[3] + at, rows[7] + at), order);
        const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
        _mm256_store_si256(to, _mm256_unpacklo_epi64(ab, cd));
        _mm256_store_si256(to + 2, _mm256_unpackhi_epi64(ab, cd));
        _mm256_store_si256(to + 4, _mm256_unpacklo_epi64(_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d)));
      }
    }
  }

  /// low and high += four bytes a lane, times their weights.
  BEIT_TARGET_AVX2 static void add(__m256i bytes, __m256i mask, const __m256i* weights, __m256i& low, __m256i& high) {
    const __m256i even = _mm256_and_si256(bytes, mask), odd = _mm256_srli_epi16(bytes, 8);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(even, weights[0]));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(even, weights[1]));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(odd, weights[2]));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(odd, weights[3]));
  }

  /// The sum of both parts, rounded to a pixel but not clamped.
  BEIT_TARGET_AVX2 static __m256i rounded(__m256i low, __m256i high) {
    const __m256i half = _mm256_set1_epi32(1 << (weight_bits - 1));
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(low, half), _mm256_slli_epi32(high, 16)), weight_bits);
  }

  /// One output column of 16 rows.
  BEIT_TARGET_AVX2 static void across(const std::uint8_t* strip,    // (groups, 3, 16, 4)
                                      const std::int32_t* weights,  // (groups, tap_parts)
                                      Index groups,
                                      std::uint8_t* out) {  // (3, 16)
    const __m256i mask = _mm256_set1_epi16(0xff);
    for (Index half = 0; half < 2; ++half) {
      const __m256i* from = reinterpret_cast<const __m256i*>(strip) + half;
      __m256i low_r{}, high_r{}, low_g{}, high_g{}, low_b{}, high_b{};
      for (Index g = 0; g < groups; ++g, from += 6) {
        const std::int32_t* w = weights + g * tap_parts;
        const __m256i four[4] = {_mm256_set1_epi32(w[0]), _mm256_set1_epi32(w[1]), _mm256_set1_epi32(w[2]),
                                 _mm256_set1_epi32(w[3])};
        add(_mm256_load_si256(from), mask, four, low_r, high_r);
        add(_mm256_load_si256(from + 2), mask, four, low_g, high_g);
        add(_mm256_load_si256(from + 4), mask, four, low_b, high_b);
      }
      const __m256i red_green = _mm256_packs_epi32(rounded(low_r, high_r), rounded(low_g, high_g));
      const __m256i blue = _mm256_packs_epi32(rounded(low_b, high_b), _mm256_setzero_si256());
      // Each lane of 128 bits: 4 rows of red, green, blue.
      const __m256i bytes =
          _mm256_permutevar8x32_epi32(_mm256_packus_epi16(red_green, blue), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
      std::uint8_t* to = out + 8 * half;
      const __m128i first = _mm256_castsi256_si128(bytes);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to), first);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 16), _mm_unpackhi_epi64(first, first));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 32), _mm256_extracti128_si256(bytes, 1));
    }
  }

  /// One output row: 8 columns at a time, two in each vector.
  BEIT_TARGET_AVX2 static void down(const std::uint8_t* const* blocks,  // (count) pointers to (columns, 16)
                                    const std::int32_t* weights,        // (count, tap_parts, 4)
                                    Index count, Index columns,
                                    std::uint8_t* out) {  // (columns)
    const __m256i mask = _mm256_set1_epi16(0xff);
    for (Index x = 0; x < columns; x += 8) {
      __m256i low0{}, high0{}, low1{}, high1{}, low2{}, high2{}, low3{}, high3{};
      for (Index i = 0; i < count; ++i) {
        const __m128i* w = reinterpret_cast<const __m128i*>(weights + i * tap_parts * 4);
        const __m256i four[4] = {
            _mm256_broadcastsi128_si256(_mm_loadu_si128(w)), _mm256_broadcastsi128_si256(_mm_loadu_si128(w + 1)),
            _mm256_broadcastsi128_si256(_mm_loadu_si128(w + 2)), _mm256_broadcastsi128_si256(_mm_loadu_si128(w + 3))};
        const __m256i* from = reinterpret_cast<const __m256i*>(blocks[i] + x * strip_rows);
        add(_mm256_load_si256(from), mask, four, low0, high0);
        add(_mm256_load_si256(from + 1), mask, four, low1, high1);
        add(_mm256_load_si256(from + 2), mask, four, low2, high2);
        add(_mm256_load_si256(from + 3), mask, four, low3, high3);
      }
      const __m256i sums = rounded(add_lanes(low0, low1, low2, low3), add_lanes(high0, high1, high2, high3));
      // Even columns in the lower 128 bits, odd ones in the upper.
      const __m256i words = _mm256_packs_epi32(sums, sums), packed = _mm256_packus_epi16(words, words);
      const __m128i eight = _mm_unpacklo_epi8(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
      if (columns - x >= 8) {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + x), eight);
      } else {
        alignas(16) std::uint8_t last[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(last), eight);
        std::copy_n(last, columns - x, out + x);
      }
    }
  }

  /// In each 128 bits, lane k: the sum of the k-th argument's four lanes.
  BEIT_TARGET_AVX2 static __m256i add_lanes(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
  }
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_X86_KERNELS
