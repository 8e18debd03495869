// Four floats in a register of NEON, for arithmetic.inl and the levels' products.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The interface that VectorAvx2 documents, on registers of NEON, which every 64-bit ARM processor has.
struct VectorNeon {
  using Floats = float32x4_t;
  using Integers = int32x4_t;
  static constexpr Index lanes = 4;

  static Floats zero() { return vdupq_n_f32(0); }
  static Floats set(float x) { return vdupq_n_f32(x); }
  static Floats load(const float* p) { return vld1q_f32(p); }
  static Floats load(const float* p, Index count) {
    if (count >= lanes) return load(p);
    float first[lanes] = {};
    if (count > 0) std::memcpy(first, p, static_cast<std::size_t>(count) * sizeof(float));
    return load(first);
  }
  static void store(float* p, Floats x) { vst1q_f32(p, x); }
  static void store(float* p, Floats x, Index count) { store_first(x, count, p); }
  static Floats first(Floats x, Index count, Floats rest) {
    constexpr std::int32_t numbers[] = {0, 1, 2, 3};
    const int32x4_t limit = vdupq_n_s32(static_cast<std::int32_t>(std::clamp<Index>(count, 0, lanes)));
    return vbslq_f32(vcgtq_s32(limit, vld1q_s32(numbers)), x, rest);
  }

  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats sub(Floats a, Floats b) { return vsubq_f32(a, b); }
  static Floats mul(Floats a, Floats b) { return vmulq_f32(a, b); }
  static Floats div(Floats a, Floats b) { return vdivq_f32(a, b); }
  static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  static Floats fnma(Floats a, Floats b, Floats c) { return vfmsq_f32(c, a, b); }
  static Floats max(Floats a, Floats b) { return vmaxq_f32(a, b); }
  static Floats min(Floats a, Floats b) { return vminq_f32(a, b); }
  static Floats abs(Floats x) { return vabsq_f32(x); }
  static Floats round(Floats x) { return vrndnq_f32(x); }
  static Floats times_power_of_two(Floats x, Floats n) {
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), vshlq_n_s32(vcvtnq_s32_f32(n), 23)));
  }
  static float sum(Floats x) { return vaddvq_f32(x); }
  static float largest(Floats x) { return vmaxvq_f32(x); }

  static Floats difference(const std::int32_t* a, const std::int32_t* b) {
    return vcvtq_f32_s32(vsubq_s32(vld1q_s32(a), vld1q_s32(b)));
  }
  static void store_integers(Floats x, Index count, std::int16_t* p) { store_first(to_int16(x), count, p); }
  static void store_integers(Floats x, Index count, std::int8_t* p) {
    const int16x4_t integers = to_int16(x);
    store_first(vqmovn_s16(vcombine_s16(integers, integers)), count, p);
  }
  static void widen(const std::uint16_t* in, float* out) {
    store(out, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(in), 16)));
  }
  static void widen(const std::int8_t* in, std::int16_t* out) {
    int8x8_t bytes = vdup_n_s8(0);
    std::memcpy(&bytes, in, lanes);
    vst1_s16(out, vget_low_s16(vmovl_s8(bytes)));
  }

  /// p += x, and p = x, for sums of either type.
  static void add_to(float* p, Floats x) { store(p, add(load(p), x)); }
  static void add_to(std::int32_t* p, int32x4_t x) { put(p, vaddq_s32(vld1q_s32(p), x)); }
  static void put(float* p, Floats x) { store(p, x); }
  static void put(std::int32_t* p, int32x4_t x) { vst1q_s32(p, x); }

  using Bits = uint8x16_t;
  using Words = uint32x4_t;
  /// The products of pairs are added at the end, all at once.
  struct PairSums {
    int32x4_t low, high;
  };

  static constexpr std::uint8_t bias = 0;
  static Bits load_bits(const void* p) { return vld1q_u8(static_cast<const std::uint8_t*>(p)); }
  static void store_strip(std::uint8_t* p, Bits x) { vst1q_u8(p, x); }
  static Bits broadcast(const std::int32_t* p) { return vreinterpretq_u8_s32(vld1q_dup_s32(p)); }
  static Bits repeat(const void* p) { return load_bits(p); }
  static Bits load_blocks(const std::uint8_t* const* p, Index at) { return load_bits(p[0] + at); }
  static void store_interleaved(const std::uint8_t* const* p, Index at, std::uint8_t* out) {
    // Not written into the call: in clang, vst4q_u8 is a macro, which takes each comma for the end of an argument.
    const uint8x16x4_t rows{{vld1q_u8(p[0] + at), vld1q_u8(p[1] + at), vld1q_u8(p[2] + at), vld1q_u8(p[3] + at)}};
    vst4q_u8(out, rows);
  }
  static Bits shuffle(Bits x, Bits order) { return vqtbl1q_u8(x, order); }
  static Bits zip_low(Bits a, Bits b) { return vreinterpretq_u8_u32(vzip1q_u32(words(a), words(b))); }
  static Bits zip_high(Bits a, Bits b) { return vreinterpretq_u8_u32(vzip2q_u32(words(a), words(b))); }
  static Bits zip_low_pairs(Bits a, Bits b) { return vreinterpretq_u8_u64(vzip1q_u64(pairs(a), pairs(b))); }
  static Bits zip_high_pairs(Bits a, Bits b) { return vreinterpretq_u8_u64(vzip2q_u64(pairs(a), pairs(b))); }
  static Bits even_bytes(Bits x) { return vandq_u8(x, vreinterpretq_u8_u16(vdupq_n_u16(0xff))); }
  static Bits odd_bytes(Bits x) { return vreinterpretq_u8_u16(vshrq_n_u16(vreinterpretq_u16_u8(x), 8)); }
  static PairSums add_products(PairSums sums, Bits x, Bits y) {
    const int16x8_t a = vreinterpretq_s16_u8(x), b = vreinterpretq_s16_u8(y);
    return {vmlal_s16(sums.low, vget_low_s16(a), vget_low_s16(b)), vmlal_high_s16(sums.high, a, b)};
  }
  static Words lane_sums(PairSums sums) { return vreinterpretq_u32_s32(vpaddq_s32(sums.low, sums.high)); }
  static void store_block(Integers x, Integers y, Integers z, std::uint8_t* out) {
    store_block(to_bytes(x, y), to_bytes(z, z), out);
  }
  static void store_transposed(Integers x, Index count, std::uint8_t* out) { store_first(to_bytes(x, x), count, out); }

  /// The first row, or the second, of two blocks of 2 x 2 side by side.
  template <typename Vector>
  static Vector row_of_blocks(Vector left, Vector right, Index row) {
    const auto a = reinterpret_cast<uint64x2_t>(left), b = reinterpret_cast<uint64x2_t>(right);
    return reinterpret_cast<Vector>(row == 0 ? vzip1q_u64(a, b) : vzip2q_u64(a, b));
  }

 protected:
  /// Four bytes of x, of y and of z.
  static void store_block(uint8x8_t xy, uint8x8_t z, std::uint8_t* out) {
    const uint32x2_t first = vreinterpret_u32_u8(xy);
    const std::uint32_t words[] = {vget_lane_u32(first, 0), vget_lane_u32(first, 1),
                                   vget_lane_u32(vreinterpret_u32_u8(z), 0)};
    for (Index i = 0; i < 3; ++i) std::memcpy(out + 16 * i, words + i, 4);
  }
  /// The lanes of x and then those of y, clamped to bytes.
  static uint8x8_t to_bytes(Integers x, Integers y) { return vqmovun_s16(vcombine_s16(vqmovn_s32(x), vqmovn_s32(y))); }
  template <typename Vector, typename T>
  static void store_first(Vector x, Index count, T* p) {
    if (count >= lanes) {
      std::memcpy(p, &x, lanes * sizeof(T));
    } else if (count > 0) {
      std::memcpy(p, &x, static_cast<std::size_t>(count) * sizeof(T));
    }
  }

 private:
  static uint32x4_t words(Bits x) { return vreinterpretq_u32_u8(x); }
  static uint64x2_t pairs(Bits x) { return vreinterpretq_u64_u8(x); }
  static int16x4_t to_int16(Floats x) { return vqmovn_s32(vcvtnq_s32_f32(x)); }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_NEON_KERNELS
