#include <beit/core/index.hpp>

#include <initializer_list>
#include <limits>
#include <new>

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

TEST(Index, SizesOfMemoryThatDontFitAreRefused) {
  using beit::detail::memory_size;
  constexpr Index most = std::numeric_limits<Index>::max();
  static_assert(memory_size({3, 5, 2}) == 30);
  EXPECT_EQ(memory_size({}), 1);
  EXPECT_EQ(memory_size({most / 4, 4}), most / 4 * 4);
  EXPECT_EQ(memory_size({0, most, most}), 0);
  for (const auto& factors :
       {std::initializer_list<Index>{most / 4 + 1, 4}, {most, most}, {most / 2, 2, 2}, {-1, 4}, {-1, -1}, {0, -1}}) {
    EXPECT_THROW(memory_size(factors), std::bad_alloc);
  }
}

TEST(Size, HasAnAreaAndIsCompared) {
  constexpr beit::Size size{3, 5};
  EXPECT_EQ(size.area(), 15);
  EXPECT_EQ(size, (beit::Size{3, 5}));
  EXPECT_NE(size, (beit::Size{5, 3}));
}

}  // namespace beit_test::index_test
