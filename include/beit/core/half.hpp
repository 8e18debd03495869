// Converts float16, bfloat16 and the types of 8 bits to float, exactly, on any processor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/bit_cast.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The bits of the float with the value of this bfloat16, which is its upper half.
inline std::uint32_t bfloat16_to_float_bits(std::uint16_t value) { return static_cast<std::uint32_t>(value) << 16; }

/// The bits of the float with the value of this IEEE 754 binary16. NaNs keep sign and payload.
///
/// Uses masks instead of branches, so that compilers vectorise loops over it.
inline std::uint32_t float16_to_float_bits(std::uint16_t value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value & 0x8000) << 16;
  const std::int32_t magnitude = value & 0x7FFF;
  // Exponents are biased by 15 in a half and by 127 in a float; infinity and NaN go from 31 to 255, twice as far.
  constexpr std::uint32_t rebias = (127 - 15) << 23;
  const std::uint32_t normal = (static_cast<std::uint32_t>(magnitude) << 13) + rebias;
  // A subnormal is its magnitude times 2^-24: two exact steps through normal floats, whatever the rounding mode and
  // even when the processor flushes subnormal floats to zero.
  const auto subnormal = detail::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f);
  // Masks of all bits or none, because GCC at -O2 turns `?:` into branches here.
  const std::uint32_t if_subnormal = 0U - static_cast<std::uint32_t>(magnitude < 0x0400);
  const std::uint32_t if_special = 0U - static_cast<std::uint32_t>(magnitude >= 0x7C00);
  return sign | (if_subnormal & subnormal) | (~if_subnormal & (normal + (if_special & rebias)));
}

inline std::uint32_t float_to_float_bits(std::uint32_t value) { return value; }

/// The bits of the float with the value of this F8_E5M2, which is the upper half of a float16.
inline std::uint32_t float8_e5m2_to_float_bits(std::uint8_t value) {
  return float16_to_float_bits(static_cast<std::uint16_t>(value << 8));
}

/// The bits of the float with the value of a number of 8 bits: a sign, the exponent plus `bias`, `mantissa` bits. It
/// has no infinity and, of both signs or of the negative one only, the pattern `nan` as its NaN.
template <int mantissa, int bias, unsigned nan>
std::uint32_t float8_to_float_bits(std::uint8_t value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value & 0x80) << 24, magnitude = value & 0x7FU;
  if (value == nan || (nan < 0x80 && magnitude == nan)) return sign | 0x7FC00000;
  if (magnitude >> mantissa == 0) {  // a subnormal: its magnitude times the smallest one, both exact in float
    constexpr float smallest = 1.0f / static_cast<float>(1 << (bias + mantissa - 1));
    return sign | detail::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * smallest);
  }
  return sign | ((magnitude << (23 - mantissa)) + (static_cast<std::uint32_t>(127 - bias) << 23));
}

// The other types, after their formats' papers: FN has a NaN of each sign, FNUZ a single one in the place of -0.
inline std::uint32_t float8_e4m3_to_float_bits(std::uint8_t value) { return float8_to_float_bits<3, 7, 0x7F>(value); }
inline std::uint32_t float8_e4m3fnuz_to_float_bits(std::uint8_t value) {
  return float8_to_float_bits<3, 8, 0x80>(value);
}
inline std::uint32_t float8_e5m2fnuz_to_float_bits(std::uint8_t value) {
  return float8_to_float_bits<2, 16, 0x80>(value);
}

/// Widens `count` elements at `in`, of any alignment, to floats. Returns true if all are finite.
template <typename Stored, std::uint32_t (*to_bits)(Stored)>
bool widen(const std::byte* in, Index count, float* out) {
  // The constant trip count, with a padded copy for the remainder, lets compilers vectorise at -O2 already.
  constexpr Index block = 512;
  Stored stored[block] = {};
  std::uint32_t bits[block];
  std::uint32_t bad = 0;
  for (Index done = 0; done < count; done += block) {
    const Index n = count - done < block ? count - done : block;
    if (n < block) std::memset(stored, 0, sizeof stored);
    std::memcpy(stored, in + done * static_cast<Index>(sizeof(Stored)), static_cast<std::size_t>(n) * sizeof(Stored));
    for (Index i = 0; i < block; ++i) {
      bits[i] = to_bits(stored[i]);
      // Tests integers, because -ffast-math lets a compiler assume that no float is NaN. The sum carries into the sign
      // bit exactly when all bits of the exponent are set.
      bad |= (bits[i] & 0x7FFFFFFF) + 0x00800000;
    }
    std::memcpy(out + done, bits, static_cast<std::size_t>(n) * sizeof(float));
  }
  return (bad & 0x80000000) == 0;
}

}  // namespace detail

/// The exact value of an IEEE 754 binary16 pattern, including subnormals, infinities and NaNs.
[[nodiscard]] inline float float16_to_float(std::uint16_t value) {
  return detail::bit_cast<float>(detail::float16_to_float_bits(value));
}

/// Rounds a finite number to the nearest bfloat16, ties to even.
[[nodiscard]] inline std::uint16_t round_to_bfloat16(float value) {
  const auto bits = detail::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

/// The exact value of a bfloat16 pattern.
[[nodiscard]] inline float bfloat16_to_float(std::uint16_t value) {
  return detail::bit_cast<float>(detail::bfloat16_to_float_bits(value));
}

}  // namespace beit::inline BEIT_ABI
