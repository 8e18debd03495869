#include <gtest/gtest.h>

#include <beit/core/matrix.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace beit_test::matrix_test {

using beit::Matrix;

float sum_of(const beit::ConstRows& x) { return x.sum(); }
void fill(beit::Rows x, float value) { x.setConstant(value); }

TEST(Matrix, IsAlignedToACacheLine) {
  for (int i = 1; i < 20; ++i) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(Matrix(i, 3).data()) % 64, 0u);
}

TEST(Matrix, RefusesSizesThatOverflow) {
  const beit::Index large = beit::Index{1} << (sizeof(beit::Index) * 4);
  EXPECT_THROW(Matrix(large, large), beit::ArgumentError);
  EXPECT_THROW(Matrix(large, large / 4), beit::ArgumentError);
  EXPECT_THROW(Matrix(-1, 3), beit::ArgumentError);
}

TEST(Matrix, CopiesAndMoves) {
  Matrix a(2, 3);
  fill(a, 1.5f);
  Matrix b = a;
  b(1, 2) = 7;
  EXPECT_EQ(a(1, 2), 1.5f);
  const float* data = b.data();
  const Matrix c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c(1, 2), 7);
  EXPECT_EQ(b.rows(), 0);  // NOLINT: a moved-from matrix is empty
  a = c;
  EXPECT_EQ(a(1, 2), 7);
}

TEST(Matrix, CopiesWhatFillsHugePages) {
  Matrix m(513, 1024);  // rows of 4 KB
  fill(m, 1);
  const Matrix copy = m;
  EXPECT_EQ(sum_of(copy), 513.0f * 1024);
}

TEST(Matrix, PassesAsAViewWithoutACopy) {
  Matrix a(4, 5);
  fill(a, 2.0f);
  EXPECT_EQ(sum_of(a), 40.0f);
  const auto address = [](const beit::ConstRows& x) { return x.data(); };
  EXPECT_EQ(address(a), a.data());
  EXPECT_EQ(address(a.map().middleRows(1, 2)), a.row(1));
  beit::RowMajorMatrix eigen = beit::RowMajorMatrix::Ones(3, 3);
  EXPECT_EQ(address(eigen), eigen.data());
  EXPECT_EQ(sum_of(eigen.leftCols(2)), 6.0f);
}

TEST(RequireShape, SaysWhatWasFoundAndWanted) {
  const Matrix a(2, 3);
  EXPECT_NO_THROW(beit::require_shape(a, 2, 3, "forward: x"));
  try {
    beit::require_shape(a, 2, 4, "forward: x");
    FAIL() << "took a wrong shape";
  } catch (const beit::ArgumentError& error) {
    EXPECT_EQ(std::string(error.what()), "forward: x: found shape (2, 3), wanted (2, 4)");
  }
}

TEST(RequireFinite, NamesTheFirstNumberThatIsnt) {
  Matrix a(5, 4);
  fill(a, 1);
  EXPECT_NO_THROW(beit::require_finite(a, "features"));
  a(4, 0) = -std::numeric_limits<float>::infinity();
  for (const auto& [bad, name] :
       {std::pair(std::numeric_limits<float>::infinity(), "inf"), {std::numeric_limits<float>::quiet_NaN(), "nan"}}) {
    a(3, 1) = bad;
    try {
      beit::require_finite(a, "features");
      FAIL() << "took " << name;
    } catch (const beit::ArgumentError& error) {
      EXPECT_EQ(std::string(error.what()),
                std::string("features: found ") + name + " at (3, 1), wanted finite numbers");
    }
  }
}

}  // namespace beit_test::matrix_test
