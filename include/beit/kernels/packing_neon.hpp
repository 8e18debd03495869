// The parts of Packing that activations take in every forward pass, by NEON; the rest is PortablePacking's.
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
  /// As PortablePacking's, for six rows.
  template <Index MR>
  static void interleave(const std::byte* in, Index in_stride, Index words, std::byte* out) {
    static_assert(MR == 6);
    Index i = 0;
    for (; i + 4 <= words; i += 4, in += 16, out += 4 * MR * 4) {
      const auto row = [&](Index r) { return vreinterpretq_u32_u8(vld1q_u8(bytes(in + r * in_stride))); };
      const uint32x4_t r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3), r4 = row(4), r5 = row(5);
      // Pairs of rows side by side: words 0 and 1, and words 2 and 3.
      const uint64x2_t a0 = wide(vzip1q_u32(r0, r1)), a1 = wide(vzip2q_u32(r0, r1));
      const uint64x2_t b0 = wide(vzip1q_u32(r2, r3)), b1 = wide(vzip2q_u32(r2, r3));
      const uint64x2_t c0 = wide(vzip1q_u32(r4, r5)), c1 = wide(vzip2q_u32(r4, r5));
      const auto put = [&](Index at, uint64x2_t x) { vst1q_u8(bytes(out + 16 * at), vreinterpretq_u8_u64(x)); };
      put(0, vzip1q_u64(a0, b0));
      put(1, vcombine_u64(vget_low_u64(c0), vget_high_u64(a0)));
      put(2, vzip2q_u64(b0, c0));
      put(3, vzip1q_u64(a1, b1));
      put(4, vcombine_u64(vget_low_u64(c1), vget_high_u64(a1)));
      put(5, vzip2q_u64(b1, c1));
    }
    PortablePacking::interleave<MR>(in, in_stride, words - i, out);
  }

 private:
  static const std::uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }
  static std::uint8_t* bytes(std::byte* p) { return reinterpret_cast<std::uint8_t*>(p); }
  static uint64x2_t wide(uint32x4_t x) { return vreinterpretq_u64_u32(x); }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_NEON_KERNELS
