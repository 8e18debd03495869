#include <beit/nn/head.hpp>

#include <gtest/gtest.h>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::head_test {

using beit::GlobalPool;
using beit::Index;
using beit::Matrix;
using reference::Doubles;

constexpr Index batch = 3, tokens = 13, dim = 37, classes = 11;
constexpr float eps = 1e-4f;

/// Parameters: which tokens are pooled; a norm or none; a classifier or none.
class Head : public testing::TestWithParam<std::tuple<GlobalPool, bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(, Head,
                         testing::Combine(testing::Values(GlobalPool::avg, GlobalPool::token), testing::Bool(),
                                          testing::Bool()));

TEST_P(Head, PoolsNormsAndClassifies) {
  const auto [pool, normed, classified] = GetParam();
  const RandomWeights source(1);
  const beit::Head<float> head(beit::default_kernels(), source.root(), dim, classified ? classes : 0, pool, normed,
                               eps);
  const Matrix x = numbers(source, "x", batch * tokens, dim);

  Doubles features(batch, dim);
  for (Index b = 0; b < batch; ++b) {
    const Doubles image = reference::doubles(x).middleRows(b * tokens, tokens);
    if (pool == GlobalPool::avg) {
      features.row(b) = image.bottomRows(tokens - 1).colwise().mean();
    } else {
      features.row(b) = image.row(0);
    }
  }
  if (normed) features = reference::layer_norm(features, source.root().scope("fc_norm"), eps);
  const Doubles wanted = classified ? reference::linear(features, source.root().scope("head"), classes) : features;

  for (const int threads : {1, 3}) {
    beit::ThreadPool threads_pool(threads);
    beit::Workspace workspace(threads_pool);
    Matrix pooled(batch, dim), out(batch, wanted.cols());
    head.pre_logits(x, workspace, pooled);
    EXPECT_LE(reference::difference(pooled, features), 2e-6);
    head.forward(x, workspace, out);
    EXPECT_LE(reference::difference(out, wanted), 4e-6);
  }
}

}  // namespace beit_test::head_test
