// Compares products with a matrix of features with loops in double precision, on every level of kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include <beit/core/thread_pool.hpp>
#include <beit/transfer/row_products.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"

namespace beit_test::row_products_test {

using beit::Index;
using beit::Matrix;

const RandomWeights weights(7);

class RowProducts : public testing::TestWithParam<beit::Isa> {};

TEST_P(RowProducts, AreThoseOfTheRowsAndOfTheColumns) {
  const Index m = 19, n = 130, d = 37;
  const Matrix r = numbers(weights, "r", n, d), x = numbers(weights, "x", m, d), y = numbers(weights, "y", m, n);
  beit::ThreadPool pool(2);
  beit::Workspace workspace(pool);
  const beit::Kernels& kernels = beit::choose_kernels(GetParam());
  Matrix out(m, n), back(m, d);
  beit::RowProducts(r, pool, false, kernels).forward(x, workspace, out);
  beit::RowProducts(r, pool, true, kernels).forward(y, workspace, back);
  const Eigen::MatrixXd exact = r.map().cast<double>();
  EXPECT_LE((out.map().cast<double>() - x.map().cast<double>() * exact.transpose()).cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_LE((back.map().cast<double>() - y.map().cast<double>() * exact).cwiseAbs().maxCoeff(), 3e-6);
}

INSTANTIATE_TEST_SUITE_P(, RowProducts, testing::ValuesIn(available_levels()), level_name);

}  // namespace beit_test::row_products_test
