#include <gtest/gtest.h>

#include <algorithm>
#include <beit/kernels/kernels.hpp>
#include <beit/kernels/relative_position.hpp>
#include <cmath>
#include <vector>

#include "../timm_index.hpp"
#include "reference.hpp"

namespace beit_test::attention_test {

using beit::Index;
using beit::Size;
using beit::kernels::Layout;
using beit::kernels::NumberFormat;
using reference::normal;
using reference::Owned;

std::vector<float> compact(const std::vector<float>& table, Size grid) {
  std::vector<float> result(table.size() + beit::kernels::relative_position_slack);
  for (Index i = 0; i < static_cast<Index>(table.size()); ++i) {
    result[static_cast<std::size_t>(beit::kernels::compact_relative_position(grid, i))] =
        table[static_cast<std::size_t>(i)];
  }
  return result;
}

struct Case {
  Size grid;
  Index d;
  bool bias;
  float deviation;
  float offset = 0;    // of keys and values
  bool equal = false;  // all tokens but the first are, as in a picture of one colour
};

class AttentionCases : public testing::TestWithParam<Case> {};

/// Compares each head of some images with loops in double precision over the kernel's input; results go into `layout`.
/// If the kernel multiplies `bytes`, the errors of a head's results are compared with their differences from the mean
/// value. Numbers of up to 3.2 times their deviation are rounded by 3.2 / 127 / sqrt(12) = 0.73 % of it: values to
/// that, scores to sqrt(2) as much of their own deviation, which is a relative error of their weights, and weights to
/// bytes. One token's results may have twice that error.
void check(const Case& parameters, const beit::kernels::AttentionKernel& kernel, const Layout& layout,
           bool bytes = false) {
  const Size grid = parameters.grid;
  const Index d = parameters.d, n = 1 + grid.area(), images = n < 100 ? 2 : 1, heads = 2, dim = heads * d;
  const bool with_bias = parameters.bias, rounds = kernel.layout->number_format == NumberFormat::bfloat16;
  const float deviation = parameters.deviation;
  std::vector<float> numbers = normal(images * n * 3 * dim, 7, deviation);
  for (Index i = 0; i < images * n * 3 * dim; ++i) {
    if (i % (3 * dim) >= dim) numbers[static_cast<std::size_t>(i)] += parameters.offset;
  }
  for (Index i = parameters.equal ? 2 : n; i < n; ++i) {
    std::copy_n(numbers.begin() + 3 * dim, 3 * dim, numbers.begin() + i * 3 * dim);
  }
  const Owned in(*kernel.layout, numbers, images, n, 3 * dim);
  const std::vector<float> qkv = in.read();
  std::vector<float> table = normal(beit::kernels::relative_positions(grid), 8);
  table.rbegin()[0] += 4;  // the class token as key stands out, as in trained models
  table.rbegin()[1] += 4;
  const std::vector<float> stored = compact(table, grid);
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  const Owned context(layout, images, n, dim, true);
  beit::AlignedBuffer<std::byte> scratch(kernel.scratch_bytes(n, d));
  for (Index item = 0; item < images * heads; ++item) {
    std::fill_n(scratch.data(), scratch.size(), std::byte{0xFF});
    kernel.run({.qkv = &in.view,
                .out = &context.view,
                .segment = item / heads,
                .head = item % heads,
                .heads = heads,
                .scale = scale,
                .bias_table = with_bias ? stored.data() : nullptr,
                .grid = grid},
               scratch.data());
  }
  context.encode_staged();
  const std::vector<float> out = context.read();
  for (Index item = 0; item < images * heads; ++item) {
    const Index first = item / heads * n, column = item % heads * d;
    const double limit = 0.012 + 0.0103 * deviation * deviation;
    double head_error = 0, head_squares = 0;
    const auto at = [&](Index token, Index part, Index c) -> double {
      return qkv[static_cast<std::size_t>((first + token) * 3 * dim + part * dim + column + c)];
    };
    for (Index i = 0; i < n; ++i) {
      std::vector<double> scores;
      double largest = -1e300, sum = 0;
      for (Index j = 0; j < n; ++j) {
        double score = with_bias ? table[static_cast<std::size_t>(timm_index(grid, i, j))] : 0.0f;
        for (Index c = 0; c < d; ++c) score += scale * at(i, 0, c) * at(j, 1, c);
        scores.push_back(score);
        largest = std::max(largest, score);
      }
      for (double& score : scores) sum += score = std::exp(score - largest);
      double squared_error = 0, squares = 0;
      for (Index c = 0; c < d; ++c) {
        double wanted = 0, magnitude = 0;
        for (Index j = 0; j < n; ++j) {
          const double term = scores[static_cast<std::size_t>(j)] / sum * at(j, 2, c);
          wanted += term;
          magnitude += std::abs(term);
        }
        const double result = out[static_cast<std::size_t>((first + i) * dim + column + c)];
        if (bytes) {
          squared_error += std::pow(result - wanted, 2);
          squares += std::pow(wanted - static_cast<double>(parameters.offset), 2);
          continue;
        }
        // A score's error, about its size times 2^-23, is the relative error of its weight. In bfloat16 each weight
        // is rounded to 8 bits after a softmax to 1e-4, and the result again.
        double tolerance = 2e-6 * deviation * (1 + deviation * deviation);
        if (rounds) tolerance += (0x1p-8 + 2e-4) * magnitude;
        if (layout.number_format == NumberFormat::bfloat16) tolerance += 0x1p-8 * std::abs(wanted);
        ASSERT_NEAR(result, wanted, tolerance) << item << ": " << i << ", " << c;
      }
      ASSERT_LE(std::sqrt(squared_error), 2 * limit * std::sqrt(squares)) << item << ": " << i;
      head_error += squared_error;
      head_squares += squares;
    }
    ASSERT_LE(std::sqrt(head_error), limit * std::sqrt(head_squares)) << item;
  }
}

TEST_P(AttentionCases, AgreesWithDoubleLoop) {
  for (const reference::Level& level : reference::all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    const Layout& floats = *level.of(beit::Precision::float32).gemm.layout;
    const auto kernel = [&](beit::Precision precision) { return level.of(precision).attention; };
    check(GetParam(), kernel(beit::Precision::float32), floats);
    if (kernel(beit::Precision::int8).run != kernel(beit::Precision::bfloat16).run) {
      check(GetParam(), kernel(beit::Precision::int8), floats);
    }
    if (kernel(beit::Precision::bfloat16).run == kernel(beit::Precision::float32).run) continue;
    check(GetParam(), kernel(beit::Precision::bfloat16), floats);
    check(GetParam(), kernel(beit::Precision::bfloat16), *level.of(beit::Precision::bfloat16).gemm.layout);
  }
}

INSTANTIATE_TEST_SUITE_P(, AttentionCases,
                         testing::Values(Case{{1, 1}, 1, true, 1}, Case{{1, 2}, 3, true, 1}, Case{{2, 3}, 8, false, 1},
                                         Case{{3, 5}, 24, true, 1}, Case{{7, 7}, 32, true, 1},
                                         Case{{14, 14}, 64, true, 1}, Case{{14, 14}, 64, true, 3},
                                         Case{{17, 19}, 20, false, 1}));

class AttentionOfManyTokens : public testing::TestWithParam<Case> {};

TEST_P(AttentionOfManyTokens, MultipliesBytesAccurately) {
  for (const reference::Level& level : reference::all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    const auto kernel = level.of(beit::Precision::int8).attention;
    if (kernel.run == level.of(beit::Precision::bfloat16).attention.run) continue;
    check(GetParam(), kernel, *level.of(beit::Precision::float32).gemm.layout, true);
  }
}

INSTANTIATE_TEST_SUITE_P(, AttentionOfManyTokens,
                         testing::Values(Case{{16, 16}, 96, true, 0.5f}, Case{{17, 19}, 64, true, 1},
                                         Case{{270, 1}, 32, true, 1}, Case{{18, 15}, 32, false, 1, 3},
                                         Case{{24, 23}, 32, true, 2}, Case{{17, 19}, 64, true, 1, 0, true}));

}  // namespace beit_test::attention_test
