#include <gtest/gtest.h>

#include <beit/kernels/gemm.hpp>
#include <beit/kernels/kernels.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "reference.hpp"

namespace beit_test::gemm_test {

using beit::Index;
using beit::Precision;
using beit::kernels::Epilogue;
using beit::kernels::GemmCall;
using beit::kernels::GemmKernel;
using beit::kernels::Layout;
using beit::kernels::NumberFormat;
using reference::all_levels;
using reference::normal;
using reference::Owned;
using reference::pack;
using reference::run_blocks;

/// The layouts of a level, without repetitions.
std::vector<const Layout*> layouts(const reference::Level& level) {
  std::vector<const Layout*> found;
  for (const Precision precision : reference::precisions) {
    for (const Layout* layout : {level.of(precision).gemm.layout, level.of(precision).attention.layout}) {
      if (std::find(found.begin(), found.end(), layout) == found.end()) found.push_back(layout);
    }
  }
  return found;
}

std::string name(const reference::Level& level, Precision precision) {
  return std::string(beit::isa_name(level.isa)) + " " + std::string(beit::precision_name(precision));
}

using Shape = std::tuple<Index, Index, Index, Index>;  // segments, rows of each, n, k

class GemmShapes : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    std::tie(segments, rows, n, k) = GetParam();
    m = segments * rows;
    a = normal(m * k, 1);
    w = normal(n * k, 2, 1 / std::sqrt(static_cast<float>(k)));
    bias = normal(n, 3);
    scale = normal(n, 4);
    // The rounding error of a sum of k products of order 1/sqrt(k), summed in chunks, is well under k * 2^-24 /
    // sqrt(k).
    tolerance = 4e-7 * (2 + std::sqrt(static_cast<double>(std::min<Index>(k, 256))) / 4);
  }

  /// a x transpose(w) of the numbers that the kernel multiplies: (m, n).
  std::vector<double> sums(const GemmKernel& kernel, Precision precision) const {
    return reference::product(reference::rounded(a.data(), k, m, k, reference::rounding(*kernel.layout)),
                              reference::rounded(w.data(), k, n, k, reference::rounding(precision)), m, n, k);
  }

  /// Two parts lose less than about 2^-17 of each of k products.
  double tolerance_of(const GemmKernel& kernel) const {
    return kernel.layout->number_format == NumberFormat::two_parts ? 4e-5 : tolerance;
  }

  Index segments, rows, m, n, k;
  std::vector<float> a, w, bias, scale;
  double tolerance;
};

TEST_P(GemmShapes, AgreeWithDoubleLoop) {
  struct Variant {
    Epilogue epilogue;
    bool bias, scale;
  };
  // Leaves gaps between rows and between segments.
  const Index ldo = n + 5, stride = (rows + 1) * ldo;
  const std::vector<float> before = normal(segments * stride, 5);
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      SCOPED_TRACE(name(level, precision));
      const GemmKernel& kernel = level.of(precision).gemm;
      const Owned x(*kernel.layout, a, segments, rows, k);
      const auto packed = pack(kernel, w, n, k);
      const std::vector<double> products = sums(kernel, precision);
      for (const Variant& c :
           {Variant{Epilogue::bias, true, false}, Variant{Epilogue::bias, false, false},
            Variant{Epilogue::bias_gelu, true, false}, Variant{Epilogue::bias_relu, true, false},
            Variant{Epilogue::bias_residual, true, true}, Variant{Epilogue::bias_residual, true, false}}) {
        std::vector<float> out = before;
        run_blocks(kernel, GemmCall{.a = &x.view,
                                    .packed = packed.data(),
                                    .bias = c.bias ? bias.data() : nullptr,
                                    .scale = c.scale ? scale.data() : nullptr,
                                    .out = out.data(),
                                    .ldo = ldo,
                                    .segment_stride = stride,
                                    .n = n,
                                    .epilogue = c.epilogue});
        for (Index at = 0; at < segments * stride; ++at) {
          const Index row = at % stride / ldo, column = at % ldo, i = at / stride * rows + row;
          const auto index = static_cast<std::size_t>(at), j = static_cast<std::size_t>(column);
          if (row == rows || column >= n) {
            ASSERT_EQ(out[index], before[index]) << "wrote between rows at " << i << ", " << column;
            continue;
          }
          double wanted = products[static_cast<std::size_t>(i * n + column)] + (c.bias ? bias[j] : 0.0f);
          if (c.epilogue == Epilogue::bias_gelu) wanted = reference::gelu(wanted);
          if (c.epilogue == Epilogue::bias_relu) wanted = std::max(wanted, 0.0);
          if (c.epilogue == Epilogue::bias_residual) wanted = before[index] + (c.scale ? scale[j] : 1.0f) * wanted;
          ASSERT_NEAR(out[index], wanted, tolerance_of(kernel) * (1 + std::abs(wanted))) << i << ", " << column;
        }
      }
    }
  }
}

TEST_P(GemmShapes, WriteWhatAnotherKernelReads) {
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      const Owned x(*kernel.layout, a, segments, rows, k);
      const auto packed = pack(kernel, w, n, k);
      const std::vector<double> products = sums(kernel, precision);
      for (const Layout* layout : layouts(level)) {
        SCOPED_TRACE(name(level, precision) + ", rounding " + std::to_string(static_cast<int>(layout->number_format)));
        const Owned out(*layout, segments, rows, n, true);
        run_blocks(kernel, GemmCall{.a = &x.view,
                                    .packed = packed.data(),
                                    .bias = bias.data(),
                                    .into = &out.view,
                                    .n = n,
                                    .epilogue = Epilogue::bias_gelu});
        out.encode_staged();
        const std::vector<float> found = out.read();
        for (Index i = 0; i < m; ++i) {
          std::vector<double> wanted;
          double largest = 0;
          for (Index j = 0; j < n; ++j) {
            const auto at = static_cast<std::size_t>(i * n + j);
            wanted.push_back(reference::gelu(products[at] + bias[static_cast<std::size_t>(j)]));
            largest = std::max(largest, std::abs(wanted.back()));
          }
          for (Index j = 0; j < n; ++j) {
            const double y = wanted[static_cast<std::size_t>(j)];
            double error = tolerance_of(kernel) * (1 + std::abs(y));
            // A GELU whose result is rounded next is within 1e-4.
            if (layout->number_format == NumberFormat::two_parts) error += 0x1p-16 * std::abs(y);
            if (layout->number_format == NumberFormat::bfloat16) error += 1e-4 + 0x1p-8 * std::abs(y);
            if (layout->number_format == NumberFormat::int8) error += 1e-4 + (largest + 1e-4) / 127 * 0.5001;
            ASSERT_NEAR(found[static_cast<std::size_t>(i * n + j)], y, error) << i << ", " << j;
          }
        }
      }
    }
  }
}

TEST_P(GemmShapes, AreRoundedToNearest) {
  for (const reference::Level& level : all_levels()) {
    for (const Layout* layout : layouts(level)) {
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + ", rounding " +
                   std::to_string(static_cast<int>(layout->number_format)));
      const std::vector<double> wanted = reference::rounded(a.data(), k, m, k, reference::rounding(*layout));
      const std::vector<float> found = Owned(*layout, a, segments, rows, k).read();
      for (std::size_t i = 0; i < found.size(); ++i) {
        const double part = layout->number_format == NumberFormat::two_parts ? 0x1p-17 * std::abs(wanted[i]) : 0;
        ASSERT_NEAR(found[i], wanted[i],
                    part + (layout->number_format == NumberFormat::int8 ? 1e-7 * std::abs(wanted[i]) : 0));
      }
    }
  }
}

TEST_P(GemmShapes, ActivationsMayComeInPieces) {
  std::mt19937 random(6);
  for (const reference::Level& level : all_levels()) {
    for (const Layout* layout : layouts(level)) {
      SCOPED_TRACE(std::string(beit::isa_name(level.isa)) + ", rounding " +
                   std::to_string(static_cast<int>(layout->number_format)));
      const Owned pieces(*layout, segments, rows, k, true);
      for (Index segment = 0; segment < segments; ++segment) {
        for (Index row = 0; row < rows;) {
          const Index count = std::min<Index>(1 + static_cast<Index>(random() % 20), rows - row);
          for (Index column = 0; column < k;) {
            const Index width = std::min<Index>(1 + static_cast<Index>(random() % 150), k - column);
            pieces.view.write(segment, row, count, column, width, a.data() + (segment * rows + row) * k + column, k);
            column += width;
          }
          row += count;
        }
      }
      pieces.encode_staged();
      ASSERT_EQ(pieces.read(), Owned(*layout, a, segments, rows, k).read());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, GemmShapes,
                         testing::Values(Shape{1, 1, 1, 1}, Shape{1, 1, 3, 2}, Shape{2, 1, 7, 5}, Shape{1, 3, 8, 255},
                                         Shape{1, 5, 9, 256}, Shape{2, 4, 17, 257}, Shape{1, 63, 16, 31},
                                         Shape{1, 64, 40, 48}, Shape{5, 13, 24, 513}, Shape{1, 197, 30, 120},
                                         Shape{1, 7, 33, 1000}, Shape{2, 13, 128, 512}, Shape{1, 197, 64, 768}));

/// gelu(a w^T + bias) (m, n), computed by calls of so many row tiles and panels each.
std::vector<float> multiply(const GemmKernel& kernel, const float* a, Index m, const std::vector<float>& w,
                            const std::vector<float>& bias, Index tiles, Index panels) {
  const Index n = static_cast<Index>(bias.size()), k = static_cast<Index>(w.size()) / n;
  const Owned x(*kernel.layout, std::vector<float>(a, a + m * k), 1, m, k);
  const auto packed = pack(kernel, w, n, k);
  std::vector<float> out(static_cast<std::size_t>(m * n));
  run_blocks(kernel,
             GemmCall{.a = &x.view,
                      .packed = packed.data(),
                      .bias = bias.data(),
                      .out = out.data(),
                      .ldo = n,
                      .n = n,
                      .epilogue = Epilogue::bias_gelu},
             tiles * kernel.tile_step, panels * kernel.column_tile);
  return out;
}

TEST(Gemm, RowsHaveTheSameBitsAloneAndTogether) {
  const Index m = 131, n = 37, k = 300;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2), bias = normal(n, 3);
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      const std::vector<float> together = multiply(kernel, a.data(), m, w, bias, 100, 1);
      for (Index i = 0; i < m; ++i) {
        const std::vector<float> alone = multiply(kernel, a.data() + i * k, 1, w, bias, 1, 1);
        ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + i * n))
            << name(level, precision) << " row " << i;
      }
    }
  }
}

TEST(Gemm, BlocksOfAnySizeGiveTheSameBits) {
  // k has several sections if a call has all rows, and one if it has few.
  const Index m = 230, n = 100, k = 1500;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2), bias = normal(n, 3);
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      const std::vector<float> whole = multiply(kernel, a.data(), m, w, bias, 58, 13);
      EXPECT_EQ(multiply(kernel, a.data(), m, w, bias, 1, 1), whole) << name(level, precision);
      EXPECT_EQ(multiply(kernel, a.data(), m, w, bias, 3, 2), whole) << name(level, precision);
    }
  }
}

// A caller's rows begin anywhere: those that are written into activations, and those of the result.
TEST(Gemm, NothingOfTheCallersNeedsToBeAligned) {
  using reference::Shifted;
  const Index m = 19, n = 37, k = 45, ldo = n + 1;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2), before = normal(m * ldo, 5);
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : reference::precisions) {
      const GemmKernel& kernel = level.of(precision).gemm;
      const auto packed = pack(kernel, w, n, k);
      const auto run = [&](Index shift) {
        Shifted rows(a, shift), bias(normal(n, 3), shift + 1), scale(normal(n, 4), shift + 2), out(before, shift + 3);
        const Owned x(*kernel.layout, 1, m, k);
        for (Index t = 0; t < x.view.tiles(); ++t) {
          const auto tile = x.view.tile(t);
          x.view.write(tile, rows.data() + tile.row * k, k);
        }
        run_blocks(kernel, GemmCall{.a = &x.view,
                                    .packed = packed.data(),
                                    .bias = bias.data(),
                                    .scale = scale.data(),
                                    .out = out.data(),
                                    .ldo = ldo,
                                    .n = n,
                                    .epilogue = Epilogue::bias_residual});
        return out.values();
      };
      const std::vector<float> wanted = run(0);
      for (const Index shift : {1, 2, 3, 4, 7, 12, 15}) {
        ASSERT_EQ(run(shift), wanted) << name(level, precision) << " shifted by " << shift;
      }
    }
  }
}

// Sums of a section of k are stored, those of the next are added, as Winograd's convolution does.
TEST(Gemm, StoresAndAddsSumsInPanels) {
  const Index segments = 2, rows = 19, m = segments * rows, n = 100, k = 300;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2);
  for (const reference::Level& level : all_levels()) {
    for (const Precision precision : {Precision::float32, Precision::float_fast, Precision::bfloat16}) {
      SCOPED_TRACE(name(level, precision));
      const GemmKernel& kernel = level.of(precision).gemm;
      const Owned x(*kernel.layout, a, segments, rows, k);
      const auto packed = pack(kernel, w, n, k);
      std::vector<float> out(static_cast<std::size_t>(m * n));
      GemmCall call{
          .a = &x.view, .packed = packed.data(), .out = out.data(), .ldo = n, .segment_stride = rows * n, .n = n};
      run_blocks(kernel, call);
      const Index width = kernel.column_tile, panel = x.view.padded_rows() * width;
      std::vector<float> sums(static_cast<std::size_t>((n + width - 1) / width * panel), 7.0f);
      call.out = nullptr;
      call.sums = sums.data();
      for (const bool add : {false, true}) {
        call.add = add;
        run_blocks(kernel, call);
        for (Index i = 0; i < m * n; ++i) {
          const Index row = x.view.padded_row(i / n / rows, i / n % rows), column = i % n;
          const float sum = sums[static_cast<std::size_t>(column / width * panel + row * width + column % width)];
          ASSERT_EQ(sum, out[static_cast<std::size_t>(i)] * (add ? 2.0f : 1.0f)) << i / n << ' ' << column;
        }
      }
    }
  }
}

TEST(Gemm, QuantisesTheSameOnEveryLevel) {
  const Index m = 20, n = 30, k = 77;
  const std::vector<float> a = normal(m * k, 1), w = normal(n * k, 2);
  const auto product = [&](const GemmKernel& kernel) {
    const Owned x(*kernel.layout, a, 1, m, k);
    const auto packed = pack(kernel, w, n, k);
    std::vector<float> out(static_cast<std::size_t>(m * n));
    run_blocks(kernel, GemmCall{.a = &x.view, .packed = packed.data(), .out = out.data(), .ldo = n, .n = n});
    return out;
  };
  const auto portable = product(precision_kernels(beit::Isa::portable, beit::Precision::int8).gemm);
  for (const reference::Level& level : all_levels()) {
    EXPECT_EQ(product(level.of(beit::Precision::int8).gemm), portable) << beit::isa_name(level.isa);
  }
}

TEST(Gemm, ZeroAndHugeRowsQuantise) {
  const Index n = 2, k = 4;
  const std::vector<float> a{0, 0, 0, 0, 3e38f, -3e38f, 1e38f, 0, 1e-40f, 0, 0, 0}, w{1, 1, 1, 1, 0, 0, 0, 0};
  for (const reference::Level& level : all_levels()) {
    const GemmKernel& kernel = level.of(beit::Precision::int8).gemm;
    const Owned x(*kernel.layout, a, 1, 3, k);
    const auto packed = pack(kernel, w, n, k);
    std::vector<float> out(6);
    run_blocks(kernel, GemmCall{.a = &x.view, .packed = packed.data(), .out = out.data(), .ldo = n, .n = n});
    EXPECT_EQ(out[0], 0) << beit::isa_name(level.isa);
    EXPECT_NEAR(out[2], 1e38, 4e36) << beit::isa_name(level.isa);
    EXPECT_EQ(out[3], 0) << beit::isa_name(level.isa);
    EXPECT_NEAR(out[4], 0, 1e-39) << beit::isa_name(level.isa);
  }
}

/// Numbers of every size, (m, 1).
std::vector<float> gelu_inputs() {
  std::vector<float> x;
  for (int i = -14000; i <= 14000; ++i) x.push_back(static_cast<float>(i) / 1000);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, -100.0f, 3e38f, -3e38f});
  return x;
}

TEST(Gemm, GeluIsWithinAMillionthOfErf) {
  const std::vector<float> x = gelu_inputs();
  for (const reference::Level& level : all_levels()) {
    const std::vector<float> out =
        multiply(level.of(beit::Precision::float32).gemm, x.data(), static_cast<Index>(x.size()), {1}, {0}, 1, 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wanted = reference::gelu(x[i]);
      // The gelu of a large x is x, up to its rounding.
      ASSERT_NEAR(out[i], wanted, std::abs(wanted) > 8 ? 1e-7 * std::abs(wanted) : 1e-6)
          << beit::isa_name(level.isa) << " at " << x[i];
    }
  }
}

TEST(Gemm, GeluIsWithinATenthOfAThousandthBeforeItIsRounded) {
  const std::vector<float> x = gelu_inputs();
  const Index m = static_cast<Index>(x.size()) - 2;  // all but the numbers too large for a small error
  for (const reference::Level& level : all_levels()) {
    const Layout& layout = *level.of(beit::Precision::bfloat16).gemm.layout;
    const GemmKernel& kernel = level.of(beit::Precision::float32).gemm;
    const Owned in(*kernel.layout, x, 1, m, 1), out(layout, 1, m, 1);
    const auto packed = pack(kernel, {1}, 1, 1);
    run_blocks(
        kernel,
        GemmCall{.a = &in.view, .packed = packed.data(), .into = &out.view, .n = 1, .epilogue = Epilogue::bias_gelu});
    const std::vector<float> found = out.read();
    const bool rounded = layout.number_format == NumberFormat::bfloat16;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double wanted = reference::gelu(x[i]);
      ASSERT_NEAR(found[i], wanted, 1e-4 + (rounded ? 0x1p-8 * std::abs(wanted) : 0))
          << beit::isa_name(level.isa) << " at " << x[i];
    }
  }
}

}  // namespace beit_test::gemm_test
