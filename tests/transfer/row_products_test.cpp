#include <beit/transfer/row_products.hpp>

#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../random_weights.hpp"

namespace row_products_test {  // named: joined with others in one unit, which have constants of these names

using beit::Index;
using beit::Matrix;

Matrix numbers(const char* name, Index rows, Index columns) {
  Matrix x(rows, columns);
  testing_weights::RandomWeights(1).read(name, std::vector<Index>{rows, columns}, 0, x.size(), x.data());
  return x;
}

double difference(const Matrix& found, const Eigen::MatrixXd& wanted) {
  return (found.map().cast<double>() - wanted).cwiseAbs().maxCoeff();
}

TEST(RowProducts, AreThoseInDoublePrecision) {
  const Index n = 50, d = 37, m = 23;
  const Matrix r = numbers("r", n, d), rows = numbers("rows", m, d), columns = numbers("columns", m, n);
  const Eigen::MatrixXd exact = r.map().cast<double>();
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    Matrix out(m, n), transposed(m, d);
    beit::RowProducts(r, pool).forward(rows, pool, out);
    EXPECT_LE(difference(out, rows.map().cast<double>() * exact.transpose()), 2e-6);
    beit::RowProducts(r, pool, true).forward(columns, pool, transposed);
    EXPECT_LE(difference(transposed, columns.map().cast<double>() * exact), 2e-6);
  }
}

TEST(RequireFinite, NamesTheFirstRowThatIsnt) {
  Matrix x = numbers("x", 5, 4);
  EXPECT_NO_THROW(beit::require_finite(x, "features"));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    x(3, 1) = bad;
    EXPECT_THAT([&] { beit::require_finite(x, "features"); },
                testing::ThrowsMessage<beit::ArgumentError>("features: row 3 isn't finite"));
  }
}

}  // namespace row_products_test
