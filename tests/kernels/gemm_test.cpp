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
using beit::Precision;
using beit::kernels::Epilogue;
using beit::kernels::Form;
using beit::kernels::Gemm;
using beit::kernels::GemmKernel;
using reference::all_levels;
using reference::normal;

/// Runs a whole product block by block, as the linear layer does.
void run_blocks(const GemmKernel& kernel, const Gemm& product) {
  for (Index row = 0; row < product.m; row += kernel.row_block) {
    for (Index column = 0; column < product.n; column += kernel.column_tile) {
      kernel.run(product, row, std::min(row + kernel.row_block, product.m), column,
                 std::min(column + kernel.column_tile, product.n));
    }
  }
}

/// x (rows, k) in the form that a kernel reads, with room and garbage after each row.
struct Encoded {
  Encoded(const GemmKernel& kernel, const std::vector<float>& x, Index rows, Index k)
      : ld(kernel.depth(k) + 7),
        data((rows * ld + 8) * beit::kernels::form_bytes(kernel.form)),
        scale(static_cast<std::size_t>(rows), -1.0f) {
    std::fill_n(data.data(), data.size(), std::byte{0x7F});
    if (kernel.encode != nullptr) {
      kernel.encode(x.data(), k, rows, k, data.data(), ld, scale.data());
    } else {
      for (Index i = 0; i < rows; ++i) {
        std::copy_n(x.data() + i * k, k, reinterpret_cast<float*>(data.data()) + i * ld);
      }
    }
  }
  Index ld;
  beit::AlignedBuffer<std::byte> data;
  std::vector<float> scale;
};

beit::AlignedBuffer<std::byte> pack(const GemmKernel& kernel, const std::vector<float>& w, Index n, Index k) {
  beit::AlignedBuffer<std::byte> packed(kernel.packed_bytes(n, k));
  kernel.pack(w.data(), n, k, packed.data());
  return packed;
}

bool writes_bfloat16(const beit::kernels::Kernels& level) { return level.bfloat16.gemm.form == Form::bfloat16; }

/// Element (i, j) of what a kernel reads as parts.
double sum_of_parts(const Encoded& x, Index parts, Index i, Index j) {
  const std::uint16_t* block =
      reinterpret_cast<const std::uint16_t*>(x.data.data()) + (i * x.ld + j / 32 * 32) * parts + j % 32;
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += beit::bfloat16_to_float(block[part * 32]);
  return sum;
}

using Shape = std::tuple<Index, Index, Index>;  // m, n, k

class GemmShapes : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    std::tie(m, n, k) = GetParam();
    a = normal(m * k, 1);
    w = normal(n * k, 2, 1 / std::sqrt(static_cast<float>(k)));
    bias = normal(n, 3);
    scale = normal(n, 4);
    before = normal(m * (n + 5), 5);
    // Rounding of a sum of k products of order 1/sqrt(k), done in chunks: well under k * 2^-24 / sqrt(k).
    tolerance = 4e-7 * (2 + std::sqrt(static_cast<double>(std::min<Index>(k, 256))) / 4);
  }

  /// a x transpose(w) of what a kernel multiplies, (m, n).
  std::vector<double> sums(const GemmKernel& kernel, Precision precision) const {
    return reference::product(reference::rounded(a.data(), k, m, k, reference::rounding(kernel.form)),
                              reference::rounded(w.data(), k, n, k, reference::rounding(precision)), m, n, k);
  }

  /// Two parts drop what is below about 2^-17 of each of k products.
  double tolerance_of(const GemmKernel& kernel) const { return kernel.form == Form::bfloat16x2 ? 4e-5 : tolerance; }

  Index m, n, k;
  std::vector<float> a, w, bias, scale, before;
  double tolerance;
};

TEST_P(GemmShapes, AgreeWithDoubleLoop) {
  struct Variant {
    Epilogue epilogue;
    bool bias, scale;
  };
  const Index ldo = n + 5;
  for (const beit::kernels::Kernels& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + " " + std::string(beit::precision_name(precision)));
      const GemmKernel& kernel = level.of(precision).gemm;
      const Encoded encoded(kernel, a, m, k);
      const auto packed = pack(kernel, w, n, k);
      const std::vector<double> products = sums(kernel, precision);
      for (const Variant& c : {Variant{Epilogue::bias, true, false}, Variant{Epilogue::bias, false, false},
                               Variant{Epilogue::bias_gelu, true, false}, Variant{Epilogue::bias_residual, true, true},
                               Variant{Epilogue::bias_residual, true, false}}) {
        std::vector<float> out = before;
        run_blocks(kernel, Gemm{.a = encoded.data.data(),
                                .lda = encoded.ld,
                                .a_scale = encoded.scale.data(),
                                .packed = packed.data(),
                                .bias = c.bias ? bias.data() : nullptr,
                                .scale = c.scale ? scale.data() : nullptr,
                                .out = out.data(),
                                .ldo = ldo,
                                .m = m,
                                .n = n,
                                .k = k,
                                .epilogue = c.epilogue});
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < ldo; ++j) {
            const std::size_t at = static_cast<std::size_t>(i * ldo + j);
            if (j >= n) {
              ASSERT_EQ(out[at], before[at]) << "wrote between rows at " << i << ", " << j;
              continue;
            }
            const std::size_t column = static_cast<std::size_t>(j);
            double wanted = products[static_cast<std::size_t>(i * n + j)] + (c.bias ? bias[column] : 0.0f);
            if (c.epilogue == Epilogue::bias_gelu) wanted = reference::gelu(wanted);
            if (c.epilogue == Epilogue::bias_residual) wanted = before[at] + (c.scale ? scale[column] : 1.0f) * wanted;
            ASSERT_NEAR(out[at], wanted, tolerance_of(kernel) * (1 + std::abs(wanted))) << i << ", " << j;
          }
        }
      }
    }
  }
}

TEST_P(GemmShapes, WriteBfloat16ForTheNextProduct) {
  const Index padding = 3, ldo = n + padding + 2;
  for (const beit::kernels::Kernels& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      if (!writes_bfloat16(level)) continue;
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + " " + std::string(beit::precision_name(precision)));
      const GemmKernel& kernel = level.of(precision).gemm;
      const Encoded encoded(kernel, a, m, k);
      const auto packed = pack(kernel, w, n, k);
      const std::vector<double> products = sums(kernel, precision);
      std::vector<std::uint16_t> out(static_cast<std::size_t>(m * ldo), 0x1234);
      run_blocks(kernel, Gemm{.a = encoded.data.data(),
                              .lda = encoded.ld,
                              .a_scale = encoded.scale.data(),
                              .packed = packed.data(),
                              .bias = bias.data(),
                              .out = out.data(),
                              .ldo = ldo,
                              .out_form = Form::bfloat16,
                              .out_padding = padding,
                              .m = m,
                              .n = n,
                              .k = k,
                              .epilogue = Epilogue::bias_gelu});
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < ldo; ++j) {
          const std::uint16_t found = out[static_cast<std::size_t>(i * ldo + j)];
          if (j >= n) {
            ASSERT_EQ(found, j < n + padding ? 0 : 0x1234) << i << ", " << j;
            continue;
          }
          const double wanted =
              reference::gelu(products[static_cast<std::size_t>(i * n + j)] + bias[static_cast<std::size_t>(j)]);
          ASSERT_NEAR(beit::bfloat16_to_float(found), wanted,
                      tolerance_of(kernel) * (1 + std::abs(wanted)) + 0x1p-8 * std::abs(wanted))
              << i << ", " << j;
        }
      }
    }
  }
}

TEST_P(GemmShapes, EncodeRoundsToNearestAndPadsWithZeros) {
  for (const beit::kernels::Kernels& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      if (kernel.encode == nullptr) continue;
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + " " + std::string(beit::precision_name(precision)));
      const Encoded encoded(kernel, a, m, k);
      const std::vector<double> wanted = reference::rounded(a.data(), k, m, k, reference::rounding(kernel.form));
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < kernel.depth(k); ++j) {
          const Index at = i * encoded.ld + j;
          const double s = encoded.scale[static_cast<std::size_t>(i)];
          double found = 0;
          switch (kernel.form) {
            case Form::float32:
              break;
            case Form::bfloat16:
              found = beit::bfloat16_to_float(reinterpret_cast<const std::uint16_t*>(encoded.data.data())[at]);
              break;
            case Form::bfloat16x2:
            case Form::bfloat16x3:
              found = sum_of_parts(encoded, kernel.form == Form::bfloat16x2 ? 2 : 3, i, j);
              break;
            case Form::int16:
              found = reinterpret_cast<const std::int16_t*>(encoded.data.data())[at] * s;
              break;
            case Form::uint8:
              if (j >= k) continue;  // meets a weight of zero
              found = (static_cast<int>(encoded.data[at]) - 128) * s;
              break;
          }
          const double number = j < k ? wanted[static_cast<std::size_t>(i * k + j)] : 0;
          ASSERT_NEAR(found, number, kernel.form == Form::bfloat16x2 ? 0x1p-17 * std::abs(number) : 0)
              << i << ", " << j;
        }
        ASSERT_EQ(encoded.data[(i * encoded.ld + kernel.depth(k)) * beit::kernels::form_bytes(kernel.form)],
                  std::byte{0x7F})
            << "wrote between rows";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GemmShapes,
                         testing::Values(Shape{1, 1, 1}, Shape{1, 3, 2}, Shape{2, 7, 5}, Shape{3, 8, 255},
                                         Shape{5, 9, 256}, Shape{4, 17, 257}, Shape{63, 16, 31}, Shape{64, 40, 48},
                                         Shape{65, 24, 513}, Shape{197, 30, 120}, Shape{7, 33, 1000},
                                         Shape{26, 128, 512}, Shape{197, 64, 768}));

#if BEIT_AMX_KERNELS
TEST(Kernels, EveryLevelHasItsTable) {
  for (const beit::detail::Level& level : beit::detail::levels) {
    EXPECT_EQ(beit::kernels::kernels_of(level.isa).isa, level.isa);
  }
}
#endif

TEST(Gemm, RowsHaveTheSameBitsAloneAndTogether) {
  const Index m = 131, n = 37, k = 300;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2), bias = normal(n, 3);
  for (const beit::kernels::Kernels& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      const auto packed = pack(kernel, w, n, k);
      const auto multiply = [&](const float* rows, Index count) {
        const Encoded encoded(kernel, std::vector<float>(rows, rows + count * k), count, k);
        std::vector<float> out(static_cast<std::size_t>(count * n));
        run_blocks(kernel, Gemm{.a = encoded.data.data(),
                                .lda = encoded.ld,
                                .a_scale = encoded.scale.data(),
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
            << beit::isa_name(level.isa) << " " << beit::precision_name(precision) << " row " << i;
      }
    }
  }
}

TEST(Gemm, QuantisesTheSameOnEveryLevel) {
  const Index m = 20, n = 30, k = 77;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2);
  std::vector<float> first;
  for (const beit::kernels::Kernels& level : all_levels()) {
    const GemmKernel& kernel = level.int8.gemm;
    const Encoded encoded(kernel, a, m, k);
    const auto packed = pack(kernel, w, n, k);
    std::vector<float> out(static_cast<std::size_t>(m * n));
    run_blocks(kernel, Gemm{.a = encoded.data.data(),
                            .lda = encoded.ld,
                            .a_scale = encoded.scale.data(),
                            .packed = packed.data(),
                            .out = out.data(),
                            .ldo = n,
                            .m = m,
                            .n = n,
                            .k = k});
    if (first.empty()) first = out;
    EXPECT_EQ(out, first) << beit::isa_name(level.isa);
  }
}

TEST(Gemm, ZeroAndHugeRowsQuantise) {
  const Index n = 2, k = 4;
  const std::vector<float> a{0, 0, 0, 0, 3e38f, -3e38f, 1e38f, 0, 1e-40f, 0, 0, 0}, w{1, 1, 1, 1, 0, 0, 0, 0};
  for (const beit::kernels::Kernels& level : all_levels()) {
    const GemmKernel& kernel = level.int8.gemm;
    const Encoded encoded(kernel, a, 3, k);
    const auto packed = pack(kernel, w, n, k);
    std::vector<float> out(6);
    run_blocks(kernel, Gemm{.a = encoded.data.data(),
                            .lda = encoded.ld,
                            .a_scale = encoded.scale.data(),
                            .packed = packed.data(),
                            .out = out.data(),
                            .ldo = n,
                            .m = 3,
                            .n = n,
                            .k = k});
    EXPECT_EQ(out[0], 0) << beit::isa_name(level.isa);
    EXPECT_NEAR(out[2], 1e38, 4e36) << beit::isa_name(level.isa);
    EXPECT_EQ(out[3], 0) << beit::isa_name(level.isa);
    EXPECT_NEAR(out[4], 0, 1e-39) << beit::isa_name(level.isa);
  }
}

TEST(Gemm, GeluIsWithinAMillionthOfErf) {
  std::vector<float> x;  // (m, 1)
  for (int i = -14000; i <= 14000; ++i) x.push_back(static_cast<float>(i) / 1000);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, -100.0f, 3e38f, -3e38f});
  const Index m = static_cast<Index>(x.size());
  for (const beit::kernels::Kernels& level : all_levels()) {
    const GemmKernel& kernel = level.float32.gemm;
    const Encoded encoded(kernel, x, m, 1);
    const auto packed = pack(kernel, {1}, 1, 1);
    std::vector<float> out(x.size());
    run_blocks(kernel, Gemm{.a = encoded.data.data(),
                            .lda = encoded.ld,
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
