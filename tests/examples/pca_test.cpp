// Tests principal components on points whose components are known.
#include <gtest/gtest.h>

#include <beit/core/error.hpp>
#include <cmath>
#include <limits>

#include "pca.hpp"

namespace beit_test::pca_test {

using beit::Index;
using beit::Matrix;

/// n points along two orthogonal directions of a space of `dim` dimensions, three times as far along the first.
Matrix points(Index n, Index dim) {
  Matrix rows(n, dim);
  for (Index i = 0; i < n; ++i) {
    const float angle = 6.2831853f * static_cast<float>(i) / static_cast<float>(n);
    const float u = 3 * std::cos(angle), v = std::sin(angle);
    for (Index c = 0; c < dim; ++c) rows(i, c) = 5.0f;
    rows(i, 0) += 0.6f * u + 0.8f * v;
    rows(i, 1) += 0.8f * u - 0.6f * v;
  }
  return rows;
}

void check(Index n, Index dim) {
  const programs::PrincipalComponents found = programs::principal_components(points(n, dim), 3);
  ASSERT_EQ(found.scores.rows(), n);
  ASSERT_EQ(found.scores.cols(), 3);
  EXPECT_NEAR(found.variance[0], 0.9, 1e-6);
  EXPECT_NEAR(found.variance[1], 0.1, 1e-6);
  EXPECT_NEAR(found.variance[2], 0.0, 1e-6);
  const double sign = found.scores(0, 0) > 0 ? 1 : -1;
  for (Index i = 0; i < n; ++i) {
    const double angle = 2 * std::acos(-1.0) * static_cast<double>(i) / static_cast<double>(n);
    EXPECT_NEAR(found.scores(i, 0), sign * 3 * std::cos(angle), 1e-5) << i;
    EXPECT_NEAR(std::abs(found.scores(i, 1)), std::abs(std::sin(angle)), 1e-5) << i;
    EXPECT_NEAR(found.scores(i, 2), 0, 1e-3) << i;
  }
}

TEST(PrincipalComponents, OfManyRows) { check(12, 5); }
TEST(PrincipalComponents, OfManyColumns) { check(12, 40); }

TEST(PrincipalComponents, TheFarthestRowIsPositive) {
  Matrix rows(3, 2);
  for (const float far : {-7.0f, 7.0f}) {
    rows.map() << 1, 0, 2, 0, far, 0;
    for (const Index padding : {0, 4}) {
      Matrix wide(3, 2 + padding);
      wide.map().setZero();
      wide.map().leftCols(2) = rows.map();
      const Eigen::MatrixXd scores = programs::principal_components(wide, 1).scores;
      EXPECT_NEAR(scores(2, 0), std::abs(far - (3 + far) / 3), 1e-6);
      EXPECT_LT(scores(0, 0), 0);
    }
  }
}

TEST(PrincipalComponents, OfRowsThatAreAllTheSame) {
  Matrix rows(4, 3);
  rows.map().setConstant(0.1f);
  const programs::PrincipalComponents found = programs::principal_components(rows, 2);
  EXPECT_EQ(found.scores, Eigen::MatrixXd::Zero(4, 2));
  EXPECT_EQ(found.variance, (std::vector<double>{0, 0}));
  EXPECT_EQ(programs::principal_components(Matrix(rows.map().topRows(1)), 2).scores, Eigen::MatrixXd::Zero(1, 2));
}

TEST(PrincipalComponents, OfMoreThanThereAre) {
  Matrix rows(3, 1);
  rows.map() << -1, 0, 1;
  const programs::PrincipalComponents found = programs::principal_components(rows, 3);
  EXPECT_NEAR(found.variance[0], 1, 1e-12);
  EXPECT_EQ(found.scores.rightCols(2), Eigen::MatrixXd::Zero(3, 2));
}

TEST(PrincipalComponents, OfNothingOrNotNumbersIsAnError) {
  EXPECT_THROW(programs::principal_components(Matrix(0, 3), 2), beit::ArgumentError);
  EXPECT_THROW(programs::principal_components(Matrix(3, 0), 2), beit::ArgumentError);
  Matrix rows = points(4, 3);
  rows(2, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(programs::principal_components(rows, 2), beit::ArgumentError);
}

}  // namespace beit_test::pca_test
