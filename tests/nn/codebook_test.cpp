#include <beit/nn/codebook.hpp>

#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::codebook_test {

using beit::Index;
using beit::Matrix;
using reference::Doubles;

class Codebook : public testing::TestWithParam<beit::Isa> {};

TEST_P(Codebook, ScoresFallAsDistancesGrow) {
  const Index rows = 11, size = 37, dim = 5;
  const RandomWeights source(9);
  const beit::Codebook codebook(beit::choose_kernels(GetParam()), source.root(), size, dim);
  ASSERT_EQ(codebook.size(), size);
  ASSERT_EQ(codebook.dim(), dim);
  const Matrix z = numbers(source, "z", rows, dim);
  const Doubles codes = reference::parameter(source.root(), "weight", size, dim);
  EXPECT_EQ(codebook.codes().cast<double>(), codes);
  beit::Workspace workspace;
  Matrix out(rows, size);
  codebook.forward(z, workspace, out);
  for (Index i = 0; i < rows; ++i) {
    const Doubles row = z.map().row(i).cast<double>();
    for (Index c = 0; c < size; ++c) {
      const double distance = (row - codes.row(c)).squaredNorm();
      ASSERT_NEAR(out(i, c), (row.squaredNorm() - distance) / 2, 1e-6) << i << ' ' << c;
    }
  }
}

TEST(CodebookNumbers, RefusesCodesWhoseSquareOverflows) {
  class Long final : public beit::WeightSource {
   public:
    explicit Long(float length) : length_(length) {}
    bool has(const std::string&) const override { return true; }
    std::vector<Index> shape(const std::string&) const override { return {3, 2}; }
    void read(const std::string&, std::span<const Index>, Index begin, Index count, float* out) const override {
      for (Index i = 0; i < count; ++i) out[i] = begin + i == 3 ? length_ : 1.0f;
    }

   private:
    float length_;
  };
  const Long fits(1e19f), exceeds(2e19f);
  EXPECT_EQ(beit::Codebook(beit::default_kernels(), fits.root(), 3, 2).size(), 3);
  EXPECT_THAT([&] { return beit::Codebook(beit::default_kernels(), exceeds.root(), 3, 2).size(); },
              testing::ThrowsMessage<beit::WeightError>(
                  "weight: found code 1 whose square exceeds the range of float, wanted shorter codes"));
}

INSTANTIATE_TEST_SUITE_P(, Codebook, testing::ValuesIn(available_levels()), level_name);

}  // namespace beit_test::codebook_test
