#include <beit/core/index.hpp>

#include <gtest/gtest.h>

namespace beit_test::index_test {

using beit::Index;

TEST(Index, IsDividedAndRoundedUp) {
  for (Index n = 0; n < 40; ++n) {
    for (Index step = 1; step < 10; ++step) {
      Index multiple = 0, count = 0;
      for (; multiple < n; multiple += step) ++count;
      EXPECT_EQ(beit::detail::ceil_div(n, step), count) << n << " / " << step;
      EXPECT_EQ(beit::detail::round_up(n, step), multiple) << n << " to " << step;
    }
  }
}

TEST(Size, HasAnAreaAndIsCompared) {
  constexpr beit::Size size{3, 5};
  EXPECT_EQ(size.area(), 15);
  EXPECT_EQ(size, (beit::Size{3, 5}));
  EXPECT_NE(size, (beit::Size{5, 3}));
}

}  // namespace beit_test::index_test
