// What softmax gives in timm.models.beit.Attention, which its fused kernels and ours never store.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <beit/core/half.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Columns [column, column + out.cols()) of x, which is float32 or bfloat16, as floats.
inline void copy_columns(const Operand& x, Index column, Matrix& out) {
  for (Index i = 0; i < out.rows(); ++i) {
    if (x.form == kernels::Form::float32) {
      std::copy_n(static_cast<const float*>(x.row(i)) + column, out.cols(), out.row(i));
    } else {
      const auto* from = static_cast<const std::uint16_t*>(x.row(i)) + column;
      std::transform(from, from + out.cols(), out.row(i), bfloat16_to_float);
    }
  }
}

}  // namespace detail

/// softmax(q k^T / sqrt(D) + R) of one image and one head: qkv (N, 3*C) as the attention kernel reads it -> out (N, N),
/// a row a query. In plain loops: for looking at, not for forward.
inline void attention_weights(const Operand& qkv, Index head, Index heads, const RelativePositionBias& bias, Rows out) {
  const Index tokens = qkv.rows, dim = qkv.cols / 3, head_dim = dim / heads;
  Matrix q(tokens, head_dim), k(tokens, head_dim);
  detail::copy_columns(qkv, head * head_dim, q);
  detail::copy_columns(qkv, dim + head * head_dim, k);
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  AlignedBuffer<double> scores(tokens);     // (N,)
  AlignedBuffer<float> query_bias(tokens);  // (N,)
  std::fill_n(query_bias.data(), tokens, 0.0f);
  for (Index i = 0; i < tokens; ++i) {
    if (const float* table = bias.head(head)) {
      kernels::expand_relative_position_bias(table, bias.grid(), i, query_bias.data());
    }
    for (Index j = 0; j < tokens; ++j) {
      double product = 0;
      for (Index d = 0; d < head_dim; ++d) product += static_cast<double>(q(i, d)) * static_cast<double>(k(j, d));
      scores[j] = product * scale + static_cast<double>(query_bias[j]);
    }
    const double largest = *std::max_element(scores.data(), scores.data() + tokens);
    double sum = 0;
    for (Index j = 0; j < tokens; ++j) sum += scores[j] = std::exp(scores[j] - largest);
    for (Index j = 0; j < tokens; ++j) out(i, j) = static_cast<float>(scores[j] / sum);
  }
}

}  // namespace beit::inline BEIT_ABI
