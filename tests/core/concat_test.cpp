#include <beit/core/concat.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace beit_test::concat_test {

using beit::detail::concat;

TEST(Concat, TakesEveryKindOfText) {
  const std::string text = "text";
  EXPECT_EQ(concat({"a ", std::string_view("view"), ", ", text, ", ", text + "s", std::string("\0", 1)}),
            std::string("a view, text, texts\0", 20));
  EXPECT_EQ(concat({}), "");
  EXPECT_EQ(concat({"", std::string_view()}), "");
}

TEST(Concat, WritesIntegersAsToStringDoes) {
  const auto expect = [](auto number) { EXPECT_EQ(concat({number}), std::to_string(number)); };
  expect(0);
  expect(-1);
  expect(std::numeric_limits<int>::min());
  expect(std::numeric_limits<unsigned>::max());
  expect(std::numeric_limits<long>::min());
  expect(std::numeric_limits<unsigned long>::max());
  expect(std::numeric_limits<long long>::min());
  expect(std::numeric_limits<long long>::max());
  expect(std::numeric_limits<unsigned long long>::max());
  expect(std::int16_t{-32768});
  expect(std::uint16_t{65535});
}

TEST(AppendItem, HasCommasBetweenItems) {
  std::string list;
  for (const char* item : {"a", "b c", "d"}) beit::detail::append_item(list, item);
  EXPECT_EQ(list, "a, b c, d");
}

}  // namespace beit_test::concat_test
