// Tests the filters' weights: where they are zero and one, and what they add up to.
#include <beit/image/filters.hpp>

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace beit_test::filters_test {

using beit::Interpolation;
using beit::detail::filter_support;
using beit::detail::filter_value;

TEST(Filters, AreZeroBeyondTheirSupport) {
  for (const Interpolation each : beit::interpolations) {
    const double support = filter_support(each);
    EXPECT_EQ(filter_value(each, 0.0), 1.0);
    for (const double beyond : {1e-9, 0.3, 2.0}) {
      EXPECT_EQ(filter_value(each, support + beyond), 0.0);
      EXPECT_EQ(filter_value(each, -support - beyond), 0.0);
    }
  }
}

TEST(Filters, AreZeroAtOtherPixels) {
  for (const Interpolation each : beit::interpolations) {
    for (const int x : {-3, -2, -1, 1, 2, 3}) EXPECT_NEAR(filter_value(each, x), 0.0, 1e-16) << x;
  }
}

TEST(Filters, OfPixelsAroundAPointAddUpToOne) {
  for (const Interpolation each : {Interpolation::box, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const double point : {-0.49, -0.25, 0.1, 0.5}) {
      double sum = 0;
      for (int x = -4; x <= 4; ++x) sum += filter_value(each, x + point);
      EXPECT_NEAR(sum, 1.0, 1e-15) << point;
    }
  }
}

TEST(Filters, AreThoseOfTheirFormulas) {
  constexpr double pi = std::numbers::pi;
  for (const double x : {0.2, 0.7, 1.4, 2.6}) {
    const double sinc = std::sin(pi * x) / (pi * x), window = std::sin(pi * x / 3) / (pi * x / 3);
    EXPECT_NEAR(filter_value(Interpolation::lanczos, x), sinc * window, 1e-15);
    const double hamming = x < 1 ? sinc * (0.54 + 0.46 * std::cos(pi * x)) : 0;
    EXPECT_NEAR(filter_value(Interpolation::hamming, -x), hamming, 1e-7);  // Pillow's constants are floats
    const double cubic = x < 1   ? 1.5 * x * x * x - 2.5 * x * x + 1
                         : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
                                 : 0;
    EXPECT_NEAR(filter_value(Interpolation::bicubic, x), cubic, 1e-15);
  }
}

}  // namespace beit_test::filters_test
