// The resize by NEON with the dot product.
//
// sdot multiplies four bytes of a lane by four others, with signs, and adds the products: a weight is 2^16 high + 2^8
// middle + low, all of 8 bits with sign. That takes weights below 1.98; the largest, Lanczos's at an edge, is 1.29. Of
// pixels 128 is taken off in strips and blocks, and what the weights would have made of it is added to the sums.
// Registers across: 18 sums (three parts of three channels), the weights, data; down: 24 sums, 3 weights, data.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/resize_strips.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

struct ResizeNeonDot {
  /// Low, middle and high parts of four taps' weights, and what they make of 128.
  static void split(const std::int32_t* weights,  // (4)
                    std::int32_t* to, Index stride) {
    std::uint32_t bytes[3] = {}, sum = 0;
    for (int t = 0; t < 4; ++t) {
      const std::int32_t low = static_cast<std::int8_t>(weights[t] & 0xff), rest = (weights[t] - low) >> 8;
      const std::int32_t middle = static_cast<std::int8_t>(rest & 0xff), high = (rest - middle) >> 8;
      bytes[0] |= (static_cast<std::uint32_t>(low) & 0xff) << (8 * t);
      bytes[1] |= (static_cast<std::uint32_t>(middle) & 0xff) << (8 * t);
      bytes[2] |= (static_cast<std::uint32_t>(high) & 0xff) << (8 * t);
      sum += static_cast<std::uint32_t>(weights[t]);
    }
    for (Index part = 0; part < 3; ++part) to[part * stride] = static_cast<std::int32_t>(bytes[part]);
    to[3 * stride] = static_cast<std::int32_t>(128 * sum);
  }

  static void gather(const std::uint8_t* const* rows,  // (16) pointers to 16 bytes each group
                     Index groups, Index step,
                     const std::uint8_t* shuffle,  // (16)
                     std::uint8_t* strip) {        // (groups, 3, 16, 4)
    const uint8x16_t order = vld1q_u8(shuffle);
    for (Index at = 0; at < groups * step; at += step, strip += group_bytes) {
      for (Index r = 0; r < strip_rows; r += 4) {
        // Each of a row: 4 red, 4 green, 4 blue; then four rows of each colour.
        const uint32x4_t a = load_row(rows[r] + at, order), b = load_row(rows[r + 1] + at, order);
        const uint32x4_t c = load_row(rows[r + 2] + at, order), d = load_row(rows[r + 3] + at, order);
        const uint64x2_t red_blue_ab = vreinterpretq_u64_u32(vtrn1q_u32(a, b));
        const uint64x2_t red_blue_cd = vreinterpretq_u64_u32(vtrn1q_u32(c, d));
        const uint64x2_t green_ab = vreinterpretq_u64_u32(vtrn2q_u32(a, b));
        const uint64x2_t green_cd = vreinterpretq_u64_u32(vtrn2q_u32(c, d));
        store_signed(vzip1q_u64(red_blue_ab, red_blue_cd), strip + 4 * r);
        store_signed(vzip1q_u64(green_ab, green_cd), strip + 64 + 4 * r);
        store_signed(vzip2q_u64(red_blue_ab, red_blue_cd), strip + 128 + 4 * r);
      }
    }
  }

  /// One output column of 16 rows.
  BEIT_TARGET_NEON_DOT static void across(const std::uint8_t* strip,    // (groups, 3, 16, 4)
                                          const std::int32_t* weights,  // (groups, tap_parts)
                                          Index groups,
                                          std::uint8_t* out) {  // (3, 16)
    const std::int32_t offset = offset_of(weights, groups, 1);
    for (Index half = 0; half < 2; ++half) {
      const std::uint8_t* from = strip + 32 * half;
      int32x4_t low[6] = {}, middle[6] = {}, high[6] = {};  // of 8 rows of each channel
      for (Index g = 0; g < groups; ++g, from += group_bytes) {
        const int8x16_t w = vreinterpretq_s8_s32(vld1q_s32(weights + g * tap_parts));
#pragma GCC unroll 6
        for (Index i = 0; i < 6; ++i) {
          const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(from + 64 * (i / 2) + 16 * (i % 2)));
          low[i] = dot_with<0>(low[i], x, w);
          middle[i] = dot_with<1>(middle[i], x, w);
          high[i] = dot_with<2>(high[i], x, w);
        }
      }
#pragma GCC unroll 3
      for (Index c = 0; c < 3; ++c) {
        const int32x4_t first = rounded(low[2 * c], middle[2 * c], high[2 * c], offset);
        const int32x4_t second = rounded(low[2 * c + 1], middle[2 * c + 1], high[2 * c + 1], offset);
        vst1_u8(out + strip_rows * c + 8 * half, veor_u8(clamped(first, second), vdup_n_u8(0x80)));
      }
    }
  }

  /// One output row: 8 columns at a time.
  BEIT_TARGET_NEON_DOT static void down(const std::uint8_t* const* blocks,  // (count) pointers to (columns, 16)
                                        const std::int32_t* weights,        // (count, tap_parts, 4)
                                        Index count, Index columns,
                                        std::uint8_t* out) {  // (columns)
    const std::int32_t offset = offset_of(weights, count, 4);
    for (Index x = 0; x < columns; x += 8) {
      int32x4_t low[8] = {}, middle[8] = {}, high[8] = {};
      for (Index i = 0; i < count; ++i) {
        const std::int32_t* w = weights + i * tap_parts * 4;
        const int8x16_t w0 = vreinterpretq_s8_s32(vld1q_s32(w)), w1 = vreinterpretq_s8_s32(vld1q_s32(w + 4));
        const int8x16_t w2 = vreinterpretq_s8_s32(vld1q_s32(w + 8));
        const std::uint8_t* from = blocks[i] + x * strip_rows;
#pragma GCC unroll 8
        for (Index c = 0; c < 8; ++c) {
          const int8x16_t column = vreinterpretq_s8_u8(vld1q_u8(from + c * strip_rows));
          low[c] = dot(low[c], column, w0);
          middle[c] = dot(middle[c], column, w1);
          high[c] = dot(high[c], column, w2);
        }
      }
      const int32x4_t first = rounded(add_lanes(low), add_lanes(middle), add_lanes(high), offset);
      const int32x4_t second = rounded(add_lanes(low + 4), add_lanes(middle + 4), add_lanes(high + 4), offset);
      const uint8x8_t eight = clamped(first, second);
      if (columns - x >= 8) {
        vst1_u8(out + x, eight);
      } else {
        std::uint8_t last[8];
        vst1_u8(last, eight);
        std::copy_n(last, columns - x, out + x);
      }
    }
  }

 private:
  static uint32x4_t load_row(const std::uint8_t* from, uint8x16_t order) {
    return vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(from), order));
  }
  static void store_signed(uint64x2_t bytes, std::uint8_t* to) {
    vst1q_u8(to, veorq_u8(vreinterpretq_u8_u64(bytes), vdupq_n_u8(0x80)));
  }

  /// What all of an output's weights, in units of so many groups, make of 128.
  static std::int32_t offset_of(const std::int32_t* weights, Index units, Index groups) {
    std::uint32_t sum = 0;
    for (Index u = 0; u < units; ++u, weights += tap_parts * groups) {
      for (Index g = 0; g < groups; ++g) sum += static_cast<std::uint32_t>(weights[3 * groups + g]);
    }
    return static_cast<std::int32_t>(sum);
  }

  // By hand, because clang declares the intrinsics only where all of a program may use them.
  BEIT_TARGET_NEON_DOT static int32x4_t dot(int32x4_t sum, int8x16_t x, int8x16_t y) {
    asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(x), "w"(y));
    return sum;
  }
  /// With the same four bytes of y in all lanes.
  template <int lane>
  BEIT_TARGET_NEON_DOT static int32x4_t dot_with(int32x4_t sum, int8x16_t x, int8x16_t y) {
    asm("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(sum) : "w"(x), "w"(y), "i"(lane));
    return sum;
  }

  /// The sum of the parts, rounded to a pixel but not clamped.
  static int32x4_t rounded(int32x4_t low, int32x4_t middle, int32x4_t high, std::int32_t offset) {
    const int32x4_t sum = vaddq_s32(vaddq_s32(low, vshlq_n_s32(middle, 8)), vshlq_n_s32(high, 16));
    return vshrq_n_s32(vaddq_s32(sum, vdupq_n_s32(offset + (1 << (weight_bits - 1)))), weight_bits);
  }
  static uint8x8_t clamped(int32x4_t first, int32x4_t second) {
    return vqmovun_s16(vcombine_s16(vqmovn_s32(first), vqmovn_s32(second)));
  }
  /// Lane k: the sum of the k-th one's four lanes.
  static int32x4_t add_lanes(const int32x4_t* four) {
    return vpaddq_s32(vpaddq_s32(four[0], four[1]), vpaddq_s32(four[2], four[3]));
  }
};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_NEON_KERNELS
