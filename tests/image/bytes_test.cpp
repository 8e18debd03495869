#include <beit/image/detail/bytes.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace beit_test::bytes_test {

using namespace std::string_view_literals;

TEST(Bytes, NumbersAreReadInEitherOrder) {
  const std::vector<std::uint8_t> bytes{0xff, 0x01, 0x82, 0x03, 0xf4};
  EXPECT_EQ(beit::detail::little16(bytes, 1), 0x8201u);
  EXPECT_EQ(beit::detail::big16(bytes, 1), 0x0182u);
  EXPECT_EQ(beit::detail::little32(bytes, 1), 0xf4038201u);
  EXPECT_EQ(beit::detail::big32(bytes, 1), 0x018203f4u);
}

TEST(Bytes, TextIsFoundInsideTheBytesOnly) {
  const std::vector<std::uint8_t> bytes{'a', 'b', 0, 0xff};
  EXPECT_TRUE(beit::detail::starts_with(bytes, "ab"));
  EXPECT_FALSE(beit::detail::starts_with(bytes, "b"));
  EXPECT_TRUE(beit::detail::has_text(bytes, 1, "b\0\xff"sv));
  EXPECT_FALSE(beit::detail::has_text(bytes, 1, "b\0\xff."sv));
  EXPECT_FALSE(beit::detail::has_text(bytes, 3, "\x7f"sv));
  EXPECT_TRUE(beit::detail::has_text(bytes, 4, ""));
  EXPECT_FALSE(beit::detail::has_text(bytes, 5, ""));
  EXPECT_FALSE(beit::detail::has_text(bytes, static_cast<std::size_t>(-1), "ab"));
  EXPECT_TRUE(beit::detail::has_one_of(bytes, 0, {"x", "ab"}));
  EXPECT_FALSE(beit::detail::has_one_of(bytes, 0, {"x", "b"}));
  EXPECT_FALSE(beit::detail::has_one_of(bytes, 0, {}));
}

}  // namespace beit_test::bytes_test
