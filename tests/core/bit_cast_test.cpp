#include <beit/core/bit_cast.hpp>

#include <cstdint>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

namespace beit_test::bit_cast_test {

TEST(BitCast, IsWhatMemcpyGives) {
  for (const float x : {0.0f, -0.0f, 1.0f, -2.5f, std::numeric_limits<float>::denorm_min(),
                        std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    EXPECT_EQ(beit::detail::bit_cast<std::uint32_t>(x), bits);
    const float back = beit::detail::bit_cast<float>(bits);
    EXPECT_EQ(std::memcmp(&back, &x, sizeof x), 0);
  }
}

TEST(BitCast, IsKnownWhenCompiling) {
  static_assert(beit::detail::bit_cast<std::uint32_t>(1.0f) == 0x3F800000);
  static_assert(beit::detail::bit_cast<double>(std::uint64_t{0xC000000000000000}) == -2.0);
}

}  // namespace beit_test::bit_cast_test
