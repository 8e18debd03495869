// Compares nearest neighbours with scikit-learn's NearestNeighbors, DINO's weights in double precision, and plain
// loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <beit/transfer/nearest.hpp>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../random_weights.hpp"
#include "testing.hpp"

namespace beit_test::nearest_test {

using beit::Index;
using beit::KnnClassifier;
using beit::Matrix;
using beit::NearestRows;

Matrix random_rows(Index rows, Index cols, unsigned seed) { return numbers(RandomWeights(seed), "rows", rows, cols); }

TEST(KnnClassifier, HasTheScoresOfTheProtocol) {
  const Golden golden;
  const KnnClassifier knn(golden.matrix("x"), golden.labels("y"), 4, 7);
  const Matrix test = golden.matrix("test"), scores = knn.scores(test);
  const std::vector<double> wanted = golden.doubles("knn.scores");
  for (Index i = 0; i < scores.size(); ++i) {
    EXPECT_NEAR(scores.data()[i], wanted[static_cast<std::size_t>(i)], 2e-5) << i;
  }
  const std::vector<Index> predicted = knn.predict(test);
  for (Index i = 0; i < test.rows(); ++i) {
    EXPECT_EQ(predicted[static_cast<std::size_t>(i)],
              std::max_element(scores.row(i), scores.row(i) + 4) - scores.row(i));
  }
}

TEST(NearestRows, HasScikitLearnsNeighbours) {
  const Golden golden;
  NearestRows nearest(golden.matrix("test"), 7);
  nearest.add(golden.matrix("x"));
  const std::vector<Index> index = golden.labels("knn.index");
  const std::vector<double> cosine = golden.doubles("knn.cosine");
  std::size_t i = 0;
  for (const auto& found : nearest.results()) {
    ASSERT_EQ(found.size(), 7u);
    for (const auto& [row, score] : found) {
      EXPECT_EQ(row, index[i]);
      EXPECT_NEAR(score, cosine[i++], 2e-6);
    }
  }
  EXPECT_EQ(i, index.size());
}

/// Adds rows in several calls, and compares with every cosine in double precision.
TEST(NearestRows, IsExactForRowsInPieces) {
  const Matrix rows = random_rows(9000, 33, 1), queries = random_rows(3, 33, 2);
  beit::ThreadPool pool(3);
  NearestRows whole(queries, 10, pool), pieces(queries, 10, pool);
  whole.add(rows);
  for (Index i = 0; i < 9000; i += 1234) {
    pieces.add(rows.map().middleRows(i, std::min<Index>(1234, 9000 - i)));
  }
  const auto &found = whole.results(), &same = pieces.results();
  for (std::size_t q = 0; q < 3; ++q) {
    const Eigen::RowVectorXd query = queries.map().row(static_cast<Index>(q)).cast<double>().normalized();
    std::vector<std::pair<double, Index>> wanted;
    for (Index i = 0; i < rows.rows(); ++i) {
      wanted.emplace_back(-query.dot(rows.map().row(i).cast<double>().normalized()), i);
    }
    std::sort(wanted.begin(), wanted.end());
    ASSERT_EQ(found[q].size(), 10u);
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(found[q][i].row, wanted[i].second);
      EXPECT_NEAR(found[q][i].score, -wanted[i].first, 1e-6);
      EXPECT_EQ(same[q][i].row, found[q][i].row);
      EXPECT_EQ(same[q][i].score, found[q][i].score);
    }
  }
}

TEST(NearestRows, EqualRowsKeepTheirOrder) {
  Matrix rows(6, 2);
  rows.map() << 0, 0, 3, 4, 1, 0, 3, 4, -1, 0, 6, 8;
  Matrix query(1, 2);
  query.map() << 30, 40;
  NearestRows nearest(query, 10);
  nearest.add(rows);
  std::vector<Index> order;
  for (const auto& neighbour : nearest.results().front()) order.push_back(neighbour.row);
  const auto& found = nearest.results().front();
  EXPECT_THAT(order, testing::ElementsAre(1, 3, 5, 2, 0, 4));
  EXPECT_FLOAT_EQ(found[0].score, 1.0f);
  EXPECT_EQ(found[4].score, 0.0f);  // zeros have no direction
  EXPECT_FLOAT_EQ(found[5].score, -0.6f);
}

TEST(NearestRows, NoQueriesHaveNoNeighbours) {
  NearestRows nearest(Matrix(0, 3), 1);
  nearest.add(random_rows(2, 3, 0));
  EXPECT_TRUE(nearest.results().empty());
}

template <typename Search>
concept HasResults = requires(Search&& search) {
  std::forward<Search>(search).results();
};
static_assert(HasResults<NearestRows&> && !HasResults<NearestRows>, "what a temporary found would dangle");

TEST(NearestRows, TakesMoreRowsAfterItsResults) {
  const Matrix rows = random_rows(300, 5, 3), queries = random_rows(2, 5, 4);
  NearestRows whole(queries, 20), looked_at(queries, 20);
  whole.add(rows);
  for (const Index begin : {0, 10, 150}) {
    const Index end = begin == 0 ? 10 : begin == 10 ? 150 : 300;
    looked_at.add(rows.map().middleRows(begin, end - begin));
    EXPECT_EQ(looked_at.results().front().size(), static_cast<std::size_t>(std::min<Index>(20, end)));
  }
  for (std::size_t q = 0; q < 2; ++q) {
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(looked_at.results()[q][i].row, whole.results()[q][i].row);
      EXPECT_EQ(looked_at.results()[q][i].score, whole.results()[q][i].score);
    }
  }
}

TEST(Nearest, IsASearchForOneQuery) {
  const Matrix rows = random_rows(50, 3, 6);
  const std::vector<float> query{1, -2, 0.5f};
  NearestRows search(Eigen::Map<const beit::RowMajorMatrix>(query.data(), 1, 3), 4);
  search.add(rows);
  std::size_t i = 0;
  for (const auto& [row, score] : beit::nearest(rows, query, 4)) {
    EXPECT_EQ(row, search.results().front()[i].row);
    EXPECT_EQ(score, search.results().front()[i++].score);
  }
  EXPECT_EQ(i, 4u);
  EXPECT_EQ(beit::nearest(rows, query, 100).size(), 50u) << "all where there are fewer";
  EXPECT_THROW((void)beit::nearest(rows, std::vector<float>{1, 2}, 4), beit::ArgumentError);
  EXPECT_THROW((void)beit::nearest(rows, query, 0), beit::ArgumentError);
}

TEST(NearestRows, RefusesWhatItCantUse) {
  EXPECT_THROW(NearestRows(random_rows(1, 3, 0), 0), beit::ArgumentError);
  Matrix broken = random_rows(5, 3, 0);
  broken(4, 1) = std::numeric_limits<float>::infinity();
  EXPECT_THROW(NearestRows(broken, 1), beit::ArgumentError);
  NearestRows nearest(random_rows(1, 3, 0), 1);
  EXPECT_THROW(nearest.add(random_rows(2, 4, 0)), beit::ArgumentError);
  EXPECT_THROW(nearest.add(broken), beit::ArgumentError);
}

TEST(KnnClassifier, RefusesWhatItCantUse) {
  const Matrix x = random_rows(3, 2, 0);
  const std::vector<Index> y{0, 1, 1};
  EXPECT_THROW(KnnClassifier(x, std::vector<Index>{0, 1}, 2), beit::ArgumentError);
  EXPECT_THROW(KnnClassifier(x, y, 1), beit::ArgumentError);
  EXPECT_THROW(KnnClassifier(x, y, 2, 0), beit::ArgumentError);
  EXPECT_THROW(KnnClassifier(x, y, 2, 1, 0), beit::ArgumentError);
  EXPECT_EQ(KnnClassifier(x, y, 2, 50).predict(x).size(), 3u);  // k of more than n
}

TEST(KnnClassifier, ASharpTemperatureDoesntOverflow) {
  const Matrix x = random_rows(20, 3, 5);
  const std::vector<Index> y(20, 1);
  const Matrix scores = KnnClassifier(x, y, 2, 5, 1e-5).scores(x);
  for (Index i = 0; i < 20; ++i) EXPECT_EQ(scores(i, 1), 1.0f);
}

}  // namespace beit_test::nearest_test
