#include <gtest/gtest.h>

#include <beit/kernels/kernels.hpp>
#include <beit/kernels/relative_position.hpp>
#include <cmath>
#include <vector>

#include "reference.hpp"

namespace {

using beit::Index;
using beit::Size;
using beit::kernels::Form;
using reference::normal;

/// timm's gen_relative_position_index, entry by entry.
Index position_index(Size grid, Index query, Index key) {
  const Index count = (2 * grid.height - 1) * (2 * grid.width - 1) + 3;
  if (query == 0 && key == 0) return count - 1;
  if (key == 0) return count - 2;
  if (query == 0) return count - 3;
  const Index dy = (query - 1) / grid.width - (key - 1) / grid.width + grid.height - 1;
  const Index dx = (query - 1) % grid.width - (key - 1) % grid.width + grid.width - 1;
  return dy * (2 * grid.width - 1) + dx;
}

std::vector<float> compact(const std::vector<float>& table, Size grid) {
  std::vector<float> result(table.size());
  for (Index i = 0; i < static_cast<Index>(table.size()); ++i) {
    result[static_cast<std::size_t>(beit::kernels::compact_relative_position(grid, i))] =
        table[static_cast<std::size_t>(i)];
  }
  return result;
}

TEST(RelativePosition, ExpandsToTimmsIndex) {
  for (const Size grid : {Size{1, 1}, Size{2, 2}, Size{3, 5}, Size{5, 1}, Size{14, 14}}) {
    const std::vector<float> table = normal(beit::kernels::relative_positions(grid), 1);
    const std::vector<float> stored = compact(table, grid);
    std::vector<float> row(static_cast<std::size_t>(1 + grid.area()));
    for (Index query = 0; query <= grid.area(); ++query) {
      beit::kernels::expand_relative_position_bias(stored.data(), grid, query, row.data());
      for (Index key = 0; key <= grid.area(); ++key) {
        ASSERT_EQ(row[static_cast<std::size_t>(key)], table[static_cast<std::size_t>(position_index(grid, query, key))])
            << grid.height << "x" << grid.width << " " << query << " " << key;
      }
    }
  }
}

struct Case {
  Size grid;
  Index d;
  bool bias;
  float deviation;
};

class AttentionCases : public testing::TestWithParam<Case> {};

/// Against a double loop over what the kernel reads. `out_form` is float32 or the kernel's form.
void check(const Case& parameters, const beit::kernels::AttentionKernel& kernel, Form out_form) {
  const Size grid = parameters.grid;
  const Index d = parameters.d;
  const bool with_bias = parameters.bias, rounds = kernel.form == Form::bfloat16;
  const float deviation = parameters.deviation;
  const Index n = 1 + grid.area(), ld = 3 * d + 2, ldo = d + 1;
  std::vector<float> qkv = normal(n * ld, 7, deviation);
  std::vector<std::uint16_t> halves;
  if (rounds) {
    for (float& x : qkv) {
      halves.push_back(beit::round_to_bfloat16(x));
      x = beit::bfloat16_to_float(halves.back());
    }
  }
  const std::vector<float> table = normal(beit::kernels::relative_positions(grid), 8);
  const std::vector<float> stored = compact(table, grid);
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  std::vector<float> out(static_cast<std::size_t>(n * ldo), -7.0f);
  std::vector<std::uint16_t> half_out(static_cast<std::size_t>(n * ldo), 0xC0E0);  // -7
  beit::AlignedBuffer<std::byte> scratch(kernel.scratch_bytes(n, d));
  const auto part = [&](Index column) -> const void* {
    return rounds ? static_cast<const void*>(halves.data() + column) : qkv.data() + column;
  };
  kernel.run({.q = part(0),
              .k = part(d),
              .v = part(2 * d),
              .ld = ld,
              .out = out_form == Form::float32 ? static_cast<void*>(out.data()) : half_out.data(),
              .ldo = ldo,
              .out_form = out_form,
              .n = n,
              .d = d,
              .scale = scale,
              .bias_table = with_bias ? stored.data() : nullptr,
              .grid = grid},
             scratch.data());
  if (out_form != Form::float32) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = beit::bfloat16_to_float(half_out[i]);
  }
  const auto at = [&](Index token, Index column, Index c) -> double {
    return qkv[static_cast<std::size_t>(token * ld + column * d + c)];
  };
  for (Index i = 0; i < n; ++i) {
    std::vector<double> scores;
    double largest = -1e300, sum = 0;
    for (Index j = 0; j < n; ++j) {
      double score = with_bias ? table[static_cast<std::size_t>(position_index(grid, i, j))] : 0.0f;
      for (Index c = 0; c < d; ++c) score += scale * at(i, 0, c) * at(j, 1, c);
      scores.push_back(score);
      largest = std::max(largest, score);
    }
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (Index c = 0; c < d; ++c) {
      double wanted = 0, magnitude = 0;
      for (Index j = 0; j < n; ++j) {
        const double term = scores[static_cast<std::size_t>(j)] / sum * at(j, 2, c);
        wanted += term;
        magnitude += std::abs(term);
      }
      // A score's error, about its size times 2^-23, is the relative error of its weight. In bfloat16 each weight
      // is rounded to 8 bits, and the result again.
      double tolerance = 2e-6 * deviation * (1 + deviation * deviation);
      if (rounds) tolerance += 0x1p-8 * magnitude;
      if (out_form != Form::float32) tolerance += 0x1p-8 * std::abs(wanted);
      ASSERT_NEAR(out[static_cast<std::size_t>(i * ldo + c)], wanted, tolerance) << i << ", " << c;
    }
    ASSERT_EQ(out[static_cast<std::size_t>(i * ldo + d)], -7.0f) << "wrote between rows";
  }
}

TEST_P(AttentionCases, AgreesWithDoubleLoop) {
  for (const beit::kernels::Kernels& level : reference::all_levels()) {
    SCOPED_TRACE(beit::isa_name(level.isa));
    check(GetParam(), level.float32.attention, Form::float32);
    if (level.bfloat16.attention.form != Form::bfloat16) continue;
    check(GetParam(), level.bfloat16.attention, Form::float32);
    check(GetParam(), level.bfloat16.attention, Form::bfloat16);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionCases,
                         testing::Values(Case{{1, 1}, 1, true, 1}, Case{{1, 2}, 3, true, 1}, Case{{2, 3}, 8, false, 1},
                                         Case{{3, 5}, 24, true, 1}, Case{{7, 7}, 32, true, 1},
                                         Case{{14, 14}, 64, true, 1}, Case{{14, 14}, 64, true, 3},
                                         Case{{17, 19}, 20, false, 1}));

}  // namespace
