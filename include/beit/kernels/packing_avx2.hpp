// Packing by AVX2, for every x86 level above portable; reading the memory takes longer than this.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Implements PortablePacking's functions by AVX2.
struct Avx2Packing {
  template <Index group_bytes>
  BEIT_TARGET_AVX2 static void transpose(const std::byte* in, Index in_stride, std::byte* out, Index out_stride) {
    static_assert(group_bytes == 8 || group_bytes == 4 || group_bytes == 2);
    if constexpr (group_bytes == 8) {
      transpose_pairs(in, in_stride, out, out_stride);
      return transpose_pairs(in + 4 * in_stride, in_stride, out + 32, out_stride);
    }
    Words w;
    transpose(in, in_stride, packed_strip_rows, w);
    store_column<group_bytes>(w.v0, 0, out, out_stride);
    store_column<group_bytes>(w.v1, 1, out, out_stride);
    store_column<group_bytes>(w.v2, 2, out, out_stride);
    store_column<group_bytes>(w.v3, 3, out, out_stride);
    store_column<group_bytes>(w.v4, 4, out, out_stride);
    store_column<group_bytes>(w.v5, 5, out, out_stride);
    store_column<group_bytes>(w.v6, 6, out, out_stride);
    store_column<group_bytes>(w.v7, 7, out, out_stride);
  }

  /// Takes eight words of eight rows at a time; the rows beyond eight one by one.
  template <Index MR, Index group_bytes>
  BEIT_TARGET_AVX2 static void interleave(const std::byte* in, Index in_stride, Index words, std::byte* out) {
    static_assert(group_bytes == 4);
    constexpr Index row = MR * 4, together = std::min<Index>(MR, 8);
    Index i = 0;
    // With fewer than eight rows, a word's store runs into the next word's place, which is written later.
    for (; i + (MR < 8 ? 9 : 8) <= words; i += 8, in += 32, out += 8 * row) {
      Words w;
      transpose(in, in_stride, together, w);
      store(out, w.v0);
      store(out + row, w.v1);
      store(out + 2 * row, w.v2);
      store(out + 3 * row, w.v3);
      store(out + 4 * row, w.v4);
      store(out + 5 * row, w.v5);
      store(out + 6 * row, w.v6);
      store(out + 7 * row, w.v7);
      for (Index r = together; r < MR; ++r) {
        for (Index j = 0; j < 8; ++j) std::memcpy(out + j * row + r * 4, in + r * in_stride + j * 4, 4);
      }
    }
    PortablePacking::interleave<MR, group_bytes>(in, in_stride, words - i, out);
  }

  template <Index G>
  BEIT_TARGET_AVX2 static void zip(const Array<const std::uint16_t*, G>& rows, std::uint16_t* out) {
    static_assert(G == 2);
    const __m256i a = load(rows[0]), b = load(rows[1]);
    const __m256i low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);  // these work within halves
    store(out, _mm256_permute2x128_si256(low, high, 0x20));
    store(out + 16, _mm256_permute2x128_si256(low, high, 0x31));
  }

 private:
  BEIT_TARGET_AVX2 static __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  BEIT_TARGET_AVX2 static void store(void* p, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }

  /// Transposes four pairs of words of four rows: out (4, 4 pairs).
  BEIT_TARGET_AVX2 static void transpose_pairs(const std::byte* in, Index stride, std::byte* out, Index out_stride) {
    const __m256i r0 = load(in), r1 = load(in + stride), r2 = load(in + 2 * stride), r3 = load(in + 3 * stride);
    const __m256i a0 = _mm256_unpacklo_epi64(r0, r1), a1 = _mm256_unpackhi_epi64(r0, r1);
    const __m256i a2 = _mm256_unpacklo_epi64(r2, r3), a3 = _mm256_unpackhi_epi64(r2, r3);
    store(out, _mm256_permute2x128_si256(a0, a2, 0x20));
    store(out + out_stride, _mm256_permute2x128_si256(a1, a3, 0x20));
    store(out + 2 * out_stride, _mm256_permute2x128_si256(a0, a2, 0x31));
    store(out + 3 * out_stride, _mm256_permute2x128_si256(a1, a3, 0x31));
  }

  /// Each register holds one word of each of eight rows.
  struct Words {
    __m256i v0, v1, v2, v3, v4, v5, v6, v7;
  };
  /// Transposes 32 bytes of 8 rows, of which `rows` exist; the last one replaces the others.
  BEIT_TARGET_AVX2 static void transpose(const std::byte* in, Index stride, Index rows, Words& w) {
    const Index last = (rows - 1) * stride;
    const __m256i r0 = load(in), r1 = load(in + std::min(stride, last));
    const __m256i r2 = load(in + std::min(2 * stride, last)), r3 = load(in + std::min(3 * stride, last));
    const __m256i r4 = load(in + std::min(4 * stride, last)), r5 = load(in + std::min(5 * stride, last));
    const __m256i r6 = load(in + std::min(6 * stride, last)), r7 = load(in + std::min(7 * stride, last));
    // Interleaves words of two rows, then of four, then of eight.
    const __m256i a0 = _mm256_unpacklo_epi32(r0, r1), a1 = _mm256_unpackhi_epi32(r0, r1);
    const __m256i a2 = _mm256_unpacklo_epi32(r2, r3), a3 = _mm256_unpackhi_epi32(r2, r3);
    const __m256i a4 = _mm256_unpacklo_epi32(r4, r5), a5 = _mm256_unpackhi_epi32(r4, r5);
    const __m256i a6 = _mm256_unpacklo_epi32(r6, r7), a7 = _mm256_unpackhi_epi32(r6, r7);
    const __m256i b0 = _mm256_unpacklo_epi64(a0, a2), b1 = _mm256_unpackhi_epi64(a0, a2);
    const __m256i b2 = _mm256_unpacklo_epi64(a1, a3), b3 = _mm256_unpackhi_epi64(a1, a3);
    const __m256i b4 = _mm256_unpacklo_epi64(a4, a6), b5 = _mm256_unpackhi_epi64(a4, a6);
    const __m256i b6 = _mm256_unpacklo_epi64(a5, a7), b7 = _mm256_unpackhi_epi64(a5, a7);
    w.v0 = _mm256_permute2x128_si256(b0, b4, 0x20);
    w.v1 = _mm256_permute2x128_si256(b1, b5, 0x20);
    w.v2 = _mm256_permute2x128_si256(b2, b6, 0x20);
    w.v3 = _mm256_permute2x128_si256(b3, b7, 0x20);
    w.v4 = _mm256_permute2x128_si256(b0, b4, 0x31);
    w.v5 = _mm256_permute2x128_si256(b1, b5, 0x31);
    w.v6 = _mm256_permute2x128_si256(b2, b6, 0x31);
    w.v7 = _mm256_permute2x128_si256(b3, b7, 0x31);
  }
  template <Index group_bytes>
  BEIT_TARGET_AVX2 static void store_column(__m256i words, Index column, std::byte* out, Index out_stride) {
    if constexpr (group_bytes == 4) {
      store(out + column * out_stride, words);
    } else {
      const __m256i apart = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                             0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
      const __m256i halves = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(words, apart), 0xD8);
      out += 2 * column * out_stride;
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(halves));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + out_stride), _mm256_extracti128_si256(halves, 1));
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_X86_KERNELS
