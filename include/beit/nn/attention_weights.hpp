// The softmax of timm.models.beit.Attention, which its fused kernels and ours never store.
#pragma once

#include <algorithm>
#include <cmath>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/relative_position.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {
/// Computes softmax(q k^T / sqrt(D) + R) for one head and one image, which is a segment of qkv (B*N, 3*C) -> out (N,
/// N), one row per query. The loops are plain, because they serve visualisation and not forward.
inline void attention_weights(const Activations& qkv, Index image, Index head, Index heads,
                              const RelativePositionBias& bias, Rows out) {
  const Index tokens = qkv.segment_rows, dim = qkv.columns / 3, head_dim = dim / heads;
  Matrix q(tokens, head_dim), k(tokens, head_dim);
  for (Index i = 0; i < tokens; ++i) {
    qkv.read(image, i, head * head_dim, head_dim, q.row(i));
    qkv.read(image, i, dim + head * head_dim, head_dim, k.row(i));
  }
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  const auto copy = [](const float* x, Index count, float* to) { std::copy_n(x, count, to); };
  AlignedBuffer<double> scores(tokens);     // (N,)
  AlignedBuffer<float> query_bias(tokens);  // (N,)
  std::fill_n(query_bias.data(), tokens, 0.0f);
  for (Index i = 0; i < tokens; ++i) {
    if (const float* table = bias.head(head)) {
      kernels::expand_relative_position_bias(table, bias.grid(), i, copy, query_bias.data());
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
