#include <beit/core/precision.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::precision_test {

TEST(Precision, NamesGoBothWays) {
  for (const beit::Precision precision : beit::precisions) {
    EXPECT_EQ(beit::precision_from_name(beit::precision_name(precision)), precision);
  }
  EXPECT_THAT([] { beit::precision_from_name("half"); },
              testing::ThrowsMessage<beit::ArgumentError>(
                  "precision: found 'half', wanted one of float, float-fast, bfloat16, int8"));
}

}  // namespace beit_test::precision_test
