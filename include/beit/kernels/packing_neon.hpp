// The functions of Packing that every forward pass applies to activations, in NEON; the others are PortablePacking's.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_NEON_KERNELS

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/version.hpp>
#include <beit/kernels/packing.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

struct NeonPacking : PortablePacking {
  /// Implements PortablePacking's interleave for six rows and groups of 4 or 8 bytes.
  template <Index MR, Index group_bytes>
  static void interleave(const std::byte* in, Index in_stride, Index groups, std::byte* out) {
    static_assert(MR == 6 && (group_bytes == 4 || group_bytes == 8));
    constexpr Index together = 16 / group_bytes;
    Index i = 0;
    for (; i + together <= groups; i += together, in += 16, out += 16 * MR) {
      const auto row = [&](Index r) { return vreinterpretq_u32_u8(vld1q_u8(bytes(in + r * in_stride))); };
      const auto put = [&](Index at, uint64x2_t x) { vst1q_u8(bytes(out + 16 * at), vreinterpretq_u8_u64(x)); };
      const uint32x4_t r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3), r4 = row(4), r5 = row(5);
      if constexpr (group_bytes == 8) {
        put(0, vzip1q_u64(wide(r0), wide(r1)));
        put(1, vzip1q_u64(wide(r2), wide(r3)));
        put(2, vzip1q_u64(wide(r4), wide(r5)));
        put(3, vzip2q_u64(wide(r0), wide(r1)));
        put(4, vzip2q_u64(wide(r2), wide(r3)));
        put(5, vzip2q_u64(wide(r4), wide(r5)));
        continue;
      }
      // Pairs of rows side by side: words 0 and 1, and words 2 and 3.
      const uint64x2_t a0 = wide(vzip1q_u32(r0, r1)), a1 = wide(vzip2q_u32(r0, r1));
      const uint64x2_t b0 = wide(vzip1q_u32(r2, r3)), b1 = wide(vzip2q_u32(r2, r3));
      const uint64x2_t c0 = wide(vzip1q_u32(r4, r5)), c1 = wide(vzip2q_u32(r4, r5));
      put(0, vzip1q_u64(a0, b0));
      put(1, vcombine_u64(vget_low_u64(c0), vget_high_u64(a0)));
      put(2, vzip2q_u64(b0, c0));
      put(3, vzip1q_u64(a1, b1));
      put(4, vcombine_u64(vget_low_u64(c1), vget_high_u64(a1)));
      put(5, vzip2q_u64(b1, c1));
    }
    PortablePacking::interleave<MR, group_bytes>(in, in_stride, groups - i, out);
  }

  /// Implements PortablePacking's zip for four rows.
  template <Index G>
  static void zip(const Array<const std::uint16_t*, G>& rows, std::uint16_t* out) {
    static_assert(G == 4);
    for (Index i = 0; i < 16; i += 8) {
      const uint16x8x4_t x = {
          {vld1q_u16(rows[0] + i), vld1q_u16(rows[1] + i), vld1q_u16(rows[2] + i), vld1q_u16(rows[3] + i)}};
      vst4q_u16(out + G * i, x);
    }
  }

 private:
  static const std::uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }
  static std::uint8_t* bytes(std::byte* p) { return reinterpret_cast<std::uint8_t*>(p); }
  static uint64x2_t wide(uint32x4_t x) { return vreinterpretq_u64_u32(x); }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_NEON_KERNELS
