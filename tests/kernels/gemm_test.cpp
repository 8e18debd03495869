#include <gtest/gtest.h>

#include <beit/kernels/gemm.hpp>
#include <beit/kernels/kernels.hpp>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "reference.hpp"

namespace {

using beit::Index;
using beit::kernels::Epilogue;
using beit::kernels::Gemm;
using beit::kernels::GemmKernel;
using reference::all_levels;
using reference::normal;

/// Runs a whole product block by block, as the linear layer does.
template <typename Stored>
void run_blocks(const GemmKernel<Stored>& kernel, const Gemm<Stored>& product) {
  for (Index row = 0; row < product.m; row += kernel.row_block) {
    for (Index column = 0; column < product.n; column += kernel.column_tile) {
      kernel.run(product, row, std::min(row + kernel.row_block, product.m), column,
                 std::min(column + kernel.column_tile, product.n));
    }
  }
}

using Shape = std::tuple<Index, Index, Index>;  // m, n, k

class GemmShapes : public testing::TestWithParam<Shape> {
 protected:
  template <typename Stored>
  void check(const GemmKernel<Stored>& kernel, Epilogue epilogue, bool with_bias, bool with_scale) {
    const auto [m, n, k] = GetParam();
    const Index lda = k + 3, ldo = n + 5;
    const std::vector<float> a = normal(m * lda, 1), bias = normal(n, 3), scale = normal(n, 4);
    std::vector<float> w = normal(n * k, 2, 1 / std::sqrt(static_cast<float>(k)));
    if constexpr (!std::is_same_v<Stored, float>) {
      for (float& x : w) x = beit::bfloat16_to_float(beit::round_to_bfloat16(x));
    }
    const std::vector<float> before = normal(m * ldo, 5);
    std::vector<float> out = before;
    beit::AlignedBuffer<Stored> packed(kernel.packed_size(n, k));
    kernel.pack(w.data(), n, k, packed.data());
    run_blocks(kernel, Gemm<Stored>{.a = a.data(),
                                    .lda = lda,
                                    .packed = packed.data(),
                                    .bias = with_bias ? bias.data() : nullptr,
                                    .scale = with_scale ? scale.data() : nullptr,
                                    .out = out.data(),
                                    .ldo = ldo,
                                    .m = m,
                                    .n = n,
                                    .k = k,
                                    .epilogue = epilogue});
    const std::vector<double> sums = reference::product(a.data(), lda, w.data(), m, n, k);
    // Rounding of a sum of k products of order 1/sqrt(k), done in chunks: well under k * 2^-24 / sqrt(k).
    const double tolerance = 4e-7 * (2 + std::sqrt(static_cast<double>(std::min<Index>(k, 256))) / 4);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < ldo; ++j) {
        const std::size_t at = static_cast<std::size_t>(i * ldo + j);
        if (j >= n) {
          ASSERT_EQ(out[at], before[at]) << "wrote between rows at " << i << ", " << j;
          continue;
        }
        const std::size_t column = static_cast<std::size_t>(j);
        double wanted = sums[static_cast<std::size_t>(i * n + j)] + (with_bias ? bias[column] : 0.0f);
        if (epilogue == Epilogue::bias_gelu) wanted = reference::gelu(wanted);
        if (epilogue == Epilogue::bias_residual) wanted = before[at] + (with_scale ? scale[column] : 1.0f) * wanted;
        ASSERT_NEAR(out[at], wanted, tolerance * (1 + std::abs(wanted))) << i << ", " << j;
      }
    }
  }
};

TEST_P(GemmShapes, FloatAgreesWithDoubleLoop) {
  for (const beit::kernels::Kernels& level : all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    check(level.gemm_float, Epilogue::bias, true, false);
    check(level.gemm_float, Epilogue::bias, false, false);
    check(level.gemm_float, Epilogue::bias_gelu, true, false);
    check(level.gemm_float, Epilogue::bias_residual, true, true);
    check(level.gemm_float, Epilogue::bias_residual, true, false);
  }
}

TEST_P(GemmShapes, Bfloat16WeightsAgreeWithDoubleLoop) {
  for (const beit::kernels::Kernels& level : all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    check(level.gemm_bfloat16, Epilogue::bias, true, false);
    check(level.gemm_bfloat16, Epilogue::bias_gelu, true, false);
    check(level.gemm_bfloat16, Epilogue::bias_residual, true, true);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GemmShapes,
                         testing::Values(Shape{1, 1, 1}, Shape{1, 3, 2}, Shape{2, 7, 5}, Shape{3, 8, 255},
                                         Shape{5, 9, 256}, Shape{4, 17, 257}, Shape{63, 16, 31}, Shape{64, 40, 48},
                                         Shape{65, 24, 513}, Shape{197, 30, 120}, Shape{7, 33, 1000},
                                         Shape{26, 128, 512}, Shape{197, 64, 768}));

TEST(Gemm, RowsHaveTheSameBitsAloneAndTogether) {
  const Index m = 131, n = 37, k = 300;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2), bias = normal(n, 3);
  for (const beit::kernels::Kernels& level : all_levels()) {
    const GemmKernel<float>& kernel = level.gemm_float;
    beit::AlignedBuffer<float> packed(kernel.packed_size(n, k));
    kernel.pack(w.data(), n, k, packed.data());
    const auto multiply = [&](const float* rows, Index count) {
      std::vector<float> out(static_cast<std::size_t>(count * n));
      run_blocks(kernel, Gemm<float>{.a = rows,
                                     .lda = k,
                                     .packed = packed.data(),
                                     .bias = bias.data(),
                                     .out = out.data(),
                                     .ldo = n,
                                     .m = count,
                                     .n = n,
                                     .k = k,
                                     .epilogue = Epilogue::bias_gelu});
      return out;
    };
    const std::vector<float> together = multiply(a.data(), m);
    for (Index i = 0; i < m; ++i) {
      const std::vector<float> alone = multiply(a.data() + i * k, 1);
      ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + i * n))
          << beit::isa_name(level.isa) << " row " << i;
    }
  }
}

TEST(Gemm, GeluIsWithinAMillionthOfErf) {
  std::vector<float> x;  // (m, 1)
  for (int i = -14000; i <= 14000; ++i) x.push_back(static_cast<float>(i) / 1000);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, -100.0f, 3e38f, -3e38f});
  const Index m = static_cast<Index>(x.size());
  const float one = 1;
  for (const beit::kernels::Kernels& level : all_levels()) {
    const GemmKernel<float>& kernel = level.gemm_float;
    beit::AlignedBuffer<float> packed(kernel.packed_size(1, 1));
    kernel.pack(&one, 1, 1, packed.data());
    std::vector<float> out(x.size());
    run_blocks(kernel, Gemm<float>{.a = x.data(),
                                   .lda = 1,
                                   .packed = packed.data(),
                                   .out = out.data(),
                                   .ldo = 1,
                                   .m = m,
                                   .n = 1,
                                   .k = 1,
                                   .epilogue = Epilogue::bias_gelu});
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wanted = reference::gelu(x[i]);
      // A large x is its own gelu, to its own rounding.
      ASSERT_NEAR(out[i], wanted, std::abs(wanted) > 8 ? 1e-7 * std::abs(wanted) : 1e-6)
          << beit::isa_name(level.isa) << " at " << x[i];
    }
  }
}

}  // namespace
