// Compares the row-wise kernels with loops in double precision.
#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>
#include <beit/kernels/mean_rows.hpp>
#include <cmath>
#include <vector>

#include "reference.hpp"

namespace beit_test::rowwise_test {

using beit::Index;
using reference::all_levels;
using reference::normal;

TEST(LayerNorm, AgreesWithDoubleLoop) {
  for (const reference::Level& level : all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    for (const Index c : {Index{1}, Index{2}, Index{3}, Index{24}, Index{120}, Index{768}, Index{1027}}) {
      for (const float mean : {0.0f, 100.0f}) {
        const Index rows = 5, ldx = c + 2, ldo = c + 1;
        std::vector<float> x = normal(rows * ldx, 1);
        for (float& value : x) value += mean;
        const std::vector<float> weight = normal(c, 2), bias = normal(c, 3);
        std::vector<float> out(static_cast<std::size_t>(rows * ldo), -7.0f);
        level.layer_norm(x.data(), ldx, rows, c, weight.data(), bias.data(), 1e-6f, out.data(), ldo);
        for (Index i = 0; i < rows; ++i) {
          const float* row = x.data() + i * ldx;
          double sum = 0, squares = 0;
          for (Index j = 0; j < c; ++j) sum += row[j];
          for (Index j = 0; j < c; ++j) squares += std::pow(row[j] - sum / static_cast<double>(c), 2);
          for (Index j = 0; j < c; ++j) {
            const std::size_t column = static_cast<std::size_t>(j);
            const double normed =
                (row[j] - sum / static_cast<double>(c)) / std::sqrt(squares / static_cast<double>(c) + 1e-6);
            const double wanted = normed * weight[column] + bias[column];
            ASSERT_NEAR(out[static_cast<std::size_t>(i * ldo + j)], wanted, 1e-6 * (1 + std::abs(wanted)));
          }
          ASSERT_EQ(out[static_cast<std::size_t>(i * ldo + c)], -7.0f) << "wrote between rows";
        }
      }
    }
  }
}

TEST(LayerNorm, WorksInPlace) {
  for (const reference::Level& level : all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    const Index rows = 3, c = 50;
    std::vector<float> x = normal(rows * c, 1), out(x.size());
    const std::vector<float> weight = normal(c, 2), bias = normal(c, 3);
    level.layer_norm(x.data(), c, rows, c, weight.data(), bias.data(), 1e-6f, out.data(), c);
    level.layer_norm(x.data(), c, rows, c, weight.data(), bias.data(), 1e-6f, x.data(), c);
    EXPECT_EQ(x, out);
  }
}

TEST(MeanRows, AgreesWithDoubleLoop) {
  for (const Index c : {Index{1}, Index{63}, Index{64}, Index{65}, Index{768}}) {
    const Index rows = 196, ldx = c + 3;
    const std::vector<float> x = normal(rows * ldx, 1);
    std::vector<float> out(static_cast<std::size_t>(c + 1), -7.0f);
    beit::kernels::mean_rows(x.data(), ldx, rows, c, out.data());
    for (Index j = 0; j < c; ++j) {
      double sum = 0;
      for (Index i = 0; i < rows; ++i) sum += x[static_cast<std::size_t>(i * ldx + j)];
      ASSERT_EQ(out[static_cast<std::size_t>(j)], static_cast<float>(sum / rows));
    }
    ASSERT_EQ(out.back(), -7.0f);
  }
}

// Rows of a caller's matrix begin anywhere.
TEST(Rowwise, NothingNeedsToBeAligned) {
  using reference::Shifted;
  for (const reference::Level& level : all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    for (const Index c : {Index{1}, Index{7}, Index{64}, Index{131}}) {
      const Index rows = 3, ld = c + 1;
      const auto run = [&](Index shift) {
        Shifted x(normal(rows * ld, 1), shift), weight(normal(c, 2), shift + 1), bias(normal(c, 3), shift + 2);
        Shifted out(std::vector<float>(static_cast<std::size_t>(rows * ld), -7.0f), shift + 3);
        level.layer_norm(x.data(), ld, rows, c, weight.data(), bias.data(), 1e-6f, out.data(), ld);
        std::vector<float> results = out.values();
        Shifted mean(std::vector<float>(static_cast<std::size_t>(ld), -7.0f), shift + 3);
        beit::kernels::mean_rows(x.data(), ld, rows, c, mean.data());
        const std::vector<float> means = mean.values();
        results.insert(results.end(), means.begin(), means.end());
        return results;
      };
      const std::vector<float> wanted = run(0);
      for (const Index shift : {1, 2, 3, 4, 7, 12, 15}) ASSERT_EQ(run(shift), wanted) << c << " shifted by " << shift;
    }
  }
}

TEST(Gelu, IsWithinAFewRoundingsOfErf) {
  for (int i = -12000; i <= 12000; ++i) {
    const float x = static_cast<float>(i) / 1000;
    ASSERT_NEAR(beit::kernels::gelu(x), reference::gelu(x), 3e-7 * (1 + std::abs(x)));
  }
}

}  // namespace beit_test::rowwise_test
