#include <beit/nn/layer_norm.hpp>

#include <gtest/gtest.h>

#include <beit/kernels/row_layout.hpp>
#include <beit/nn/linear.hpp>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::layer_norm_test {

using beit::Index;
using beit::Matrix;

// Tests more rows than one task has, and a width that no vector divides.
constexpr Index segments = 3, tokens = 23, rows = segments * tokens, dim = 37;
constexpr float eps = 1e-3f;

class LayerNorm : public testing::TestWithParam<int> {
 protected:
  RandomWeights weights_{1};
  beit::ThreadPool pool_{GetParam()};
  beit::Workspace workspace_{pool_};
  beit::LayerNorm norm_{beit::default_kernels(), weights_.root().scope("norm"), dim, eps};
  Matrix x_ = numbers(weights_, "x", rows, dim);
  reference::Doubles wanted_ = reference::layer_norm(reference::doubles(x_), weights_.root().scope("norm"), eps);
};
INSTANTIATE_TEST_SUITE_P(, LayerNorm, testing::Values(1, 3));

TEST_P(LayerNorm, OfRowsAndInPlace) {
  Matrix out(rows, dim);
  norm_.forward(x_, workspace_.executor(), out);
  EXPECT_LE(reference::difference(out, wanted_), 2e-6);
  norm_.forward(x_, workspace_.executor(), x_);
  EXPECT_EQ(x_.map(), out.map());
}

TEST_P(LayerNorm, AsAProductReadsIt) {
  Matrix out(rows, dim);
  norm_.forward(x_, workspace_.executor(), out);
  beit::Workspace::Frame frame(workspace_);
  const beit::kernels::Layout& layout = *beit::precision_kernels<float>(beit::default_kernels()).gemm.layout;
  const beit::Activations kept = frame.activations(beit::kernels::float_rows, segments, tokens, dim);
  for (Index i = 0; i < segments; ++i) kept.write(i, 0, tokens, 0, dim, x_.row(i * tokens), dim);
  for (const bool of_kept : {false, true}) {
    const beit::Activations normed = frame.activations(layout, segments, tokens, dim);
    if (of_kept) {
      norm_.forward(kept, workspace_, normed);
    } else {
      norm_.forward(x_, workspace_, normed);
    }
    Matrix found(rows, dim);
    for (Index i = 0; i < rows; ++i) normed.read(i / tokens, i % tokens, 0, dim, found.row(i));
    EXPECT_LE(reference::difference(found, wanted_),
              layout.number_format == beit::kernels::NumberFormat::none ? 2e-6 : 1e-4)
        << of_kept;
  }
}

TEST(LayerNormOfConstants, IsTheBias) {
  const RandomWeights weights(2);
  const beit::LayerNorm norm(beit::default_kernels(), weights.root(), dim);
  const auto bias = weights.get("bias", std::vector<Index>{dim});
  Matrix x(1, dim);
  x.map().setConstant(0.5f);
  norm.forward(x, beit::default_thread_pool(), x);
  for (Index j = 0; j < dim; ++j) EXPECT_EQ(x(0, j), bias[j]);
}

}  // namespace beit_test::layer_norm_test
