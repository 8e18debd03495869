#include <beit/core/half.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <beit/core/bit_cast.hpp>

namespace beit_test::half_test {

/// The value as IEEE 754 defines it: sign, biased exponent, fraction.
float by_definition(std::uint16_t pattern, int exponent_bits, int fraction_bits) {
  const int sign = pattern >> 15;
  const int exponent = (pattern >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = pattern & ((1 << fraction_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  double value = 0;
  if (exponent == (1 << exponent_bits) - 1) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(fraction, 1 - bias - fraction_bits);
  } else {
    value = std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  }
  return static_cast<float>(sign != 0 ? -value : value);
}

void expect_same(float found, float wanted, int pattern) {
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(found)) << "pattern " << pattern;
  } else {
    // Bits, because 0 == -0.
    EXPECT_EQ(beit::detail::bit_cast<std::uint32_t>(found), beit::detail::bit_cast<std::uint32_t>(wanted))
        << "pattern " << pattern;
  }
}

TEST(HalfTest, Float16IsExactForEveryPattern) {
  for (int i = 0; i < 65536; ++i) {
    const auto pattern = static_cast<std::uint16_t>(i);
    expect_same(beit::float16_to_float(pattern), by_definition(pattern, 5, 10), i);
  }
}

TEST(HalfTest, Bfloat16IsExactForEveryPattern) {
  for (int i = 0; i < 65536; ++i) {
    const auto pattern = static_cast<std::uint16_t>(i);
    expect_same(beit::bfloat16_to_float(pattern), by_definition(pattern, 8, 7), i);
  }
}

/// The value of a number of 8 bits with this bias: without infinities, and with NaN in the place of `nan`.
float float8_by_definition(int pattern, int fraction_bits, int bias, bool is_nan) {
  if (is_nan) return std::numeric_limits<float>::quiet_NaN();
  const int exponent = (pattern & 0x7F) >> fraction_bits, fraction = pattern & ((1 << fraction_bits) - 1);
  const double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                     : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  return static_cast<float>((pattern & 0x80) != 0 ? -value : value);
}

TEST(HalfTest, Float8IsExactForEveryPattern) {
  const auto value = beit::detail::bit_cast<float, std::uint32_t>;
  for (int i = 0; i < 256; ++i) {
    const auto pattern = static_cast<std::uint8_t>(i);
    expect_same(value(beit::detail::float8_e5m2_to_float_bits(pattern)),
                by_definition(static_cast<std::uint16_t>(i << 8), 5, 10), i);
    expect_same(value(beit::detail::float8_e4m3_to_float_bits(pattern)),
                float8_by_definition(i, 3, 7, (i & 0x7F) == 0x7F), i);
    expect_same(value(beit::detail::float8_e4m3fnuz_to_float_bits(pattern)), float8_by_definition(i, 3, 8, i == 0x80),
                i);
    expect_same(value(beit::detail::float8_e5m2fnuz_to_float_bits(pattern)), float8_by_definition(i, 2, 16, i == 0x80),
                i);
  }
  // The largest values that torch.finfo says.
  EXPECT_EQ(value(beit::detail::float8_e4m3_to_float_bits(0x7E)), 448.0f);
  EXPECT_EQ(value(beit::detail::float8_e5m2_to_float_bits(0x7B)), 57344.0f);
  EXPECT_EQ(value(beit::detail::float8_e4m3fnuz_to_float_bits(0x7F)), 240.0f);
  EXPECT_EQ(value(beit::detail::float8_e5m2fnuz_to_float_bits(0x7F)), 57344.0f);
}

TEST(HalfTest, NanKeepsSignAndPayload) {
  EXPECT_EQ(beit::detail::bit_cast<std::uint32_t>(beit::float16_to_float(0xFE03)), 0xFFC06000U);
  EXPECT_EQ(beit::detail::bit_cast<std::uint32_t>(beit::bfloat16_to_float(0xFFC1)), 0xFFC10000U);
}

TEST(HalfTest, WidenAgreesWithOneAtATimeAtEveryPositionAndAlignment) {
  for (const beit::Index count : {0, 1, 511, 512, 513, 1300}) {
    for (std::size_t offset = 0; offset < 4; ++offset) {
      std::vector<std::byte> stored(offset + static_cast<std::size_t>(count) * 2);
      std::vector<std::uint16_t> patterns(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < patterns.size(); ++i) {
        patterns[i] = static_cast<std::uint16_t>(i * 2654435761U >> 7 & 0x7BFF);  // finite
        std::memcpy(stored.data() + offset + 2 * i, &patterns[i], 2);
      }
      std::vector<float> out(patterns.size());
      const bool finite = beit::detail::widen<std::uint16_t, beit::detail::float16_to_float_bits>(
          stored.data() + offset, count, out.data());
      EXPECT_TRUE(finite);
      for (std::size_t i = 0; i < patterns.size(); ++i) EXPECT_EQ(out[i], beit::float16_to_float(patterns[i]));
    }
  }
}

TEST(HalfTest, WidenReportsExactlyTheValuesThatAreNotFinite) {
  const auto finite = [](std::uint32_t bits, std::size_t where) {
    std::vector<std::uint32_t> stored(700, 0x3F800000);
    stored[where] = bits;
    std::vector<float> out(700);
    return beit::detail::widen<std::uint32_t, beit::detail::float_to_float_bits>(
        reinterpret_cast<const std::byte*>(stored.data()), 700, out.data());
  };
  for (const std::size_t where : {0U, 511U, 512U, 699U}) {
    for (const std::uint32_t bits : {0x7F800000U, 0xFF800000U, 0x7F800001U, 0x7FFFFFFFU, 0xFFC00000U}) {
      EXPECT_FALSE(finite(bits, where)) << bits;
    }
    for (const std::uint32_t bits : {0x7F7FFFFFU, 0xFF7FFFFFU, 0U, 0x80000000U, 1U, 0x807FFFFFU}) {
      EXPECT_TRUE(finite(bits, where)) << bits;
    }
  }
}

TEST(HalfTest, Bfloat16RoundsToNearestEven) {
  using beit::bfloat16_to_float;
  using beit::round_to_bfloat16;
  for (unsigned bits = 0; bits < 0x7F80; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float x = bfloat16_to_float(pattern), next = bfloat16_to_float(static_cast<std::uint16_t>(bits + 1));
    ASSERT_EQ(round_to_bfloat16(x), pattern);
    ASSERT_EQ(round_to_bfloat16(-x), pattern | 0x8000);
    if (!std::isfinite(next)) continue;
    const float middle = x + (next - x) / 2;
    const auto even = static_cast<std::uint16_t>(bits + (bits & 1));
    ASSERT_EQ(round_to_bfloat16(middle), even);
    ASSERT_EQ(round_to_bfloat16(std::nextafter(middle, 0.0f)), pattern);
    ASSERT_EQ(round_to_bfloat16(std::nextafter(middle, std::numeric_limits<float>::max())), bits + 1);
  }
}

}  // namespace beit_test::half_test
