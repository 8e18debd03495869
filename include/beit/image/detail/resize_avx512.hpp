// The AVX-512 level of the resize (F, BW, DQ, VL): the products of resize_avx2.hpp, 16 rows or 4 columns a vector.
//
// Registers across: 6 sums, 4 weights, 3 of data, the mask; down: 8 sums, 4 weights, 2 of data, the mask.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/resize_avx2.hpp>
#include <beit/image/detail/resize_strips.hpp>

// GCC 12 warns of its own "undefined" registers in these headers.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace beit::inline BEIT_ABI {
namespace detail {

struct ResizeAvx512 {
  static void split(const std::int32_t* weights, std::int32_t* to, Index stride) {
    split_to_words(weights, to, stride);
  }

  BEIT_TARGET_AVX512 static __m128i load(const std::uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }

  /// Lanes of 128 bits of rows 0, 4, 8, 12.
  BEIT_TARGET_AVX512 static __m512i load_rows(const std::uint8_t* const* rows, Index at) {
    __m512i all = _mm512_castsi128_si512(load(rows[0] + at));
    all = _mm512_inserti32x4(all, load(rows[4] + at), 1);
    all = _mm512_inserti32x4(all, load(rows[8] + at), 2);
    return _mm512_inserti32x4(all, load(rows[12] + at), 3);
  }

  BEIT_TARGET_AVX512 static void gather(const std::uint8_t* const* rows,  // (16) pointers to 16 bytes each group
                                        Index groups, Index step,
                                        const std::uint8_t* shuffle,  // (16)
                                        std::uint8_t* strip) {        // (groups, 3, 16, 4)
    const __m512i order = _mm512_broadcast_i32x4(load(shuffle));
    for (Index at = 0; at < groups * step; at += step, strip += group_bytes) {
      // Each lane of 128 bits: 4 red, 4 green, 4 blue of a row; then rows 0 to 3, 4 to 7, ... of each colour.
      const __m512i a = _mm512_shuffle_epi8(load_rows(rows, at), order);
      const __m512i b = _mm512_shuffle_epi8(load_rows(rows + 1, at), order);
      const __m512i c = _mm512_shuffle_epi8(load_rows(rows + 2, at), order);
      const __m512i d = _mm512_shuffle_epi8(load_rows(rows + 3, at), order);
      const __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
      _mm512_store_si512(strip, _mm512_unpacklo_epi64(ab, cd));
      _mm512_store_si512(strip + 64, _mm512_unpackhi_epi64(ab, cd));
      _mm512_store_si512(strip + 128, _mm512_unpacklo_epi64(_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d)));
    }
  }

  /// low and high += four bytes a lane, times their weights.
  BEIT_TARGET_AVX512 static void add(__m512i bytes, __m512i mask, const __m512i* weights, __m512i& low, __m512i& high) {
    const __m512i even = _mm512_and_si512(bytes, mask), odd = _mm512_srli_epi16(bytes, 8);
    low = _mm512_add_epi32(low, _mm512_madd_epi16(even, weights[0]));
    high = _mm512_add_epi32(high, _mm512_madd_epi16(even, weights[1]));
    low = _mm512_add_epi32(low, _mm512_madd_epi16(odd, weights[2]));
    high = _mm512_add_epi32(high, _mm512_madd_epi16(odd, weights[3]));
  }

  /// The sums of both parts as pixels.
  BEIT_TARGET_AVX512 static __m128i to_bytes(__m512i low, __m512i high) {
    const __m512i half = _mm512_set1_epi32(1 << (weight_bits - 1));
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(low, half), _mm512_slli_epi32(high, 16));
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_srai_epi32(sum, weight_bits), _mm512_setzero_si512()));
  }

  /// One output column of 16 rows.
  BEIT_TARGET_AVX512 static void across(const std::uint8_t* strip,    // (groups, 3, 16, 4)
                                        const std::int32_t* weights,  // (groups, tap_parts)
                                        Index groups,
                                        std::uint8_t* out) {  // (3, 16)
    const __m512i mask = _mm512_set1_epi16(0xff);
    __m512i low_r{}, high_r{}, low_g{}, high_g{}, low_b{}, high_b{};
    for (Index g = 0; g < groups; ++g, strip += group_bytes, weights += tap_parts) {
      const __m512i four[4] = {_mm512_set1_epi32(weights[0]), _mm512_set1_epi32(weights[1]),
                               _mm512_set1_epi32(weights[2]), _mm512_set1_epi32(weights[3])};
      add(_mm512_load_si512(strip), mask, four, low_r, high_r);
      add(_mm512_load_si512(strip + 64), mask, four, low_g, high_g);
      add(_mm512_load_si512(strip + 128), mask, four, low_b, high_b);
    }
    __m128i* to = reinterpret_cast<__m128i*>(out);
    _mm_store_si128(to, to_bytes(low_r, high_r));
    _mm_store_si128(to + 1, to_bytes(low_g, high_g));
    _mm_store_si128(to + 2, to_bytes(low_b, high_b));
  }

  /// In each 128 bits, lane k: the sum of the k-th argument's four lanes.
  BEIT_TARGET_AVX512 static __m512i add_lanes(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  }

  /// Of 16 bytes, those of columns 4 k + l at 4 l + k: in order, as many as there are.
  BEIT_TARGET_AVX512 static void store_columns(__m128i bytes, Index count, std::uint8_t* out) {
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __mmask16 kept = static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
    _mm_mask_storeu_epi8(out, kept, _mm_shuffle_epi8(bytes, order));
  }

  /// One output row: 16 columns at a time, four in each vector.
  BEIT_TARGET_AVX512 static void down(const std::uint8_t* const* blocks,  // (count) pointers to (columns, 16)
                                      const std::int32_t* weights,        // (count, tap_parts, 4)
                                      Index count, Index columns,
                                      std::uint8_t* out) {  // (columns)
    const __m512i mask = _mm512_set1_epi16(0xff);
    for (Index x = 0; x < columns; x += 16) {
      __m512i low0{}, high0{}, low1{}, high1{}, low2{}, high2{}, low3{}, high3{};
      for (Index i = 0; i < count; ++i) {
        const __m128i* w = reinterpret_cast<const __m128i*>(weights + i * tap_parts * 4);
        const __m512i four[4] = {
            _mm512_broadcast_i32x4(_mm_loadu_si128(w)), _mm512_broadcast_i32x4(_mm_loadu_si128(w + 1)),
            _mm512_broadcast_i32x4(_mm_loadu_si128(w + 2)), _mm512_broadcast_i32x4(_mm_loadu_si128(w + 3))};
        const std::uint8_t* from = blocks[i] + x * strip_rows;
        add(_mm512_load_si512(from), mask, four, low0, high0);
        add(_mm512_load_si512(from + 64), mask, four, low1, high1);
        add(_mm512_load_si512(from + 128), mask, four, low2, high2);
        add(_mm512_load_si512(from + 192), mask, four, low3, high3);
      }
      store_columns(to_bytes(add_lanes(low0, low1, low2, low3), add_lanes(high0, high1, high2, high3)), columns - x,
                    out + x);
    }
  }
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif  // BEIT_X86_KERNELS
