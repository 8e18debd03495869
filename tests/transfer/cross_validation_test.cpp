#include <beit/transfer/cross_validation.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing.hpp"

namespace beit_test::cross_validation_test {

using beit::Index;
using beit::LinearProbe;
using beit::Matrix;

TEST(BalancedClassWeights, AreInverseToTheCounts) {
  EXPECT_THAT(beit::balanced_class_weights(std::vector<Index>{0, 0, 0, 2}, 3),
              testing::ElementsAre(testing::DoubleEq(4.0 / 9), 0, testing::DoubleEq(4.0 / 3)));
}

TEST(StratifiedFolds, HoldTheirShareOfEveryClass) {
  std::vector<Index> y;
  for (const auto& [label, count] : {std::pair<Index, int>{0, 23}, {1, 10}, {2, 4}}) {
    y.insert(y.end(), static_cast<std::size_t>(count), label);
  }
  const std::vector<Index> parts = beit::stratified_folds(y, 3, 5, 1);
  std::vector<std::vector<int>> counts(3, std::vector<int>(5));
  for (std::size_t i = 0; i < y.size(); ++i) {
    ++counts[static_cast<std::size_t>(y[i])][static_cast<std::size_t>(parts[i])];
  }
  for (std::size_t c = 0; c < 3; ++c) {
    const auto [least, most] = std::minmax_element(counts[c].begin(), counts[c].end());
    EXPECT_LE(*most - *least, 1) << c;
  }
  EXPECT_EQ(parts, beit::stratified_folds(y, 3, 5, 1));
  EXPECT_NE(parts, beit::stratified_folds(y, 3, 5, 2));
}

TEST(StratifiedFolds, AreAtLeastTwo) {
  EXPECT_THAT(
      [] {
        (void)beit::stratified_folds(std::vector<Index>{0, 1}, 2, 1);
      },
      testing::ThrowsMessage<beit::ArgumentError>(testing::HasSubstr("found 1 folds, wanted 2 or more")));
}

TEST(CrossValidation, FindsTheLeastLoss) {
  constexpr Index classes = 4, dim = 12;
  const Golden golden;
  const Matrix x = golden.matrix("x");
  const std::vector<Index> y = golden.labels("y");
  beit::ThreadPool pool(1);
  const beit::CrossValidation found = beit::cross_validate(x, y, classes, {.standardise = true}, 5, 0, pool);
  ASSERT_GE(found.trials.size(), 4u);
  const auto best = std::min_element(found.trials.begin(), found.trials.end(),
                                     [](const auto& a, const auto& b) { return a.loss < b.loss; });
  EXPECT_EQ(best->C, found.best_C);
  EXPECT_LT(best->loss, std::log(4.0) / 2);
  EXPECT_GT(best->accuracy, 0.7);
  EXPECT_DOUBLE_EQ(found.trials.front().C, 1e-4);

  // Computes one trial by hand.
  const std::vector<Index> parts = beit::stratified_folds(y, classes, 5, 0);
  Index right = 0;
  for (Index fold = 0; fold < 5; ++fold) {
    std::vector<Index> train, held_out, labels;
    for (Index i = 0; i < x.rows(); ++i) (parts[static_cast<std::size_t>(i)] == fold ? held_out : train).push_back(i);
    Matrix rows(static_cast<Index>(train.size()), dim), others(static_cast<Index>(held_out.size()), dim);
    for (Index i = 0; i < rows.rows(); ++i) rows.map().row(i) = x.map().row(train[static_cast<std::size_t>(i)]);
    for (Index i = 0; i < others.rows(); ++i) others.map().row(i) = x.map().row(held_out[static_cast<std::size_t>(i)]);
    for (const Index i : train) labels.push_back(y[static_cast<std::size_t>(i)]);
    const auto predicted =
        LinearProbe(rows, labels, classes, {.C = found.trials[2].C, .standardise = true}).predict(others);
    for (std::size_t i = 0; i < held_out.size(); ++i) right += predicted[i] == y[static_cast<std::size_t>(held_out[i])];
  }
  EXPECT_NEAR(found.trials[2].accuracy, static_cast<double>(right) / static_cast<double>(x.rows()), 1e-12);
}

}  // namespace beit_test::cross_validation_test
