#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <beit/transfer/labels.hpp>

#include <beit/core/error.hpp>
#include <string>
#include <vector>

namespace beit_test::labels_test {

using beit::Index;

TEST(RequireLabels, TakesClassesAlone) {
  const std::vector<Index> y{0, 2, 1};
  EXPECT_NO_THROW(beit::detail::require_labels(y, 3, 3, "test"));
  EXPECT_THAT([&] { beit::detail::require_labels(y, 4, 3, "test"); },
              testing::ThrowsMessage<beit::ArgumentError>("test: found 3 labels, wanted 4"));
  EXPECT_THAT([&] { beit::detail::require_labels(y, 3, 2, "test"); },
              testing::ThrowsMessage<beit::ArgumentError>("test: found the label 2, wanted 0 to 1"));
  EXPECT_THROW(beit::detail::require_labels(std::vector<Index>{-1}, 1, 3, "test"), beit::ArgumentError);
}

TEST(BestClasses, AreTheFirstOfTheLargest) {
  beit::Matrix scores(3, 3);
  scores.map() << 1, 3, 3, -5, -2, -9, 0, 0, 0;
  EXPECT_THAT(beit::detail::best_classes(scores), testing::ElementsAre(1, 1, 0));
  EXPECT_TRUE(beit::detail::best_classes(beit::Matrix(0, 3)).empty());
}

}  // namespace beit_test::labels_test
