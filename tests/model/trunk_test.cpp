// Tests the steps of a trunk one by one; golden_test.cpp compares their results with timm's.
#include <beit/model/trunk.hpp>

#include <type_traits>

#include <gtest/gtest.h>

#include <beit/core/thread_pool.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/beit.hpp>

#include "../random_weights.hpp"

namespace beit_test::trunk_test {

using beit::Index;
using beit::Matrix;
using beit::Trunk;

static_assert(!std::is_copy_constructible_v<Trunk<float>> && std::is_move_constructible_v<Trunk<float>>);
static_assert(!std::is_copy_constructible_v<beit::Beit<float>> && std::is_move_constructible_v<beit::Beit<float>>);

beit::Config small_trunk(bool positions, bool norm) {
  beit::Config config;
  config.image_size = config.preprocessing.input_size = {32, 48};
  config.embed_dim = 24;
  config.num_heads = 3;
  config.mlp_hidden = 40;
  config.depth = 3;
  config.use_abs_pos_emb = positions;
  config.use_fc_norm = !norm;
  return config;
}

Matrix inputs(const beit::Config& config, Index batch) {
  Matrix x(batch, 3 * config.image_size.area());
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}

TEST(Trunk, IsItsSteps) {
  for (const bool norm : {false, true}) {
    const beit::Config config = small_trunk(true, norm);
    const RandomWeights weights(3);
    const Trunk<float> trunk(config, weights.root(), beit::default_kernels());
    EXPECT_EQ(trunk.has_norm(), norm);
    beit::ThreadPool pool(2);
    beit::Workspace workspace(pool);
    const Matrix x = inputs(config, 2);
    Matrix wanted(2 * 7, 24), found(2 * 7, 24), normed(2 * 7, 24);
    trunk.forward(x, workspace, wanted);
    trunk.embed(x, 3, workspace, found);
    for (Index i = 0; i < 3; ++i) trunk.forward_block(i, 3, 2, workspace, found);
    trunk.norm(found, workspace, normed);
    EXPECT_EQ(normed.map(), wanted.map());
    EXPECT_EQ(normed.map() == found.map(), !norm) << "a copy where there is no norm";
  }
}

TEST(Trunk, EmbedsClassTokenAndPositions) {
  for (const bool positions : {false, true}) {
    const beit::Config config = small_trunk(positions, true);
    const RandomWeights weights(4);
    const Trunk<float> trunk(config, weights.root(), beit::default_kernels());
    const auto cls_token = weights.get("cls_token", std::vector<Index>{1, 1, 24});
    Matrix tokens(7, 24);
    beit::Workspace workspace;
    trunk.embed(inputs(config, 1), 3, workspace, tokens);
    ASSERT_EQ(trunk.position(0).size(), positions ? 24u : 0u);
    for (Index c = 0; c < 24; ++c) {
      EXPECT_EQ(tokens(0, c), cls_token[c] + (positions ? trunk.position(0)[static_cast<std::size_t>(c)] : 0.0f));
    }
    if (!positions) continue;
    const auto stored = weights.get("pos_embed", std::vector<Index>{1, 7, 24});
    for (Index i = 0; i < 7; ++i) EXPECT_EQ(trunk.position(i)[23], stored[i * 24 + 23]);
  }
}

}  // namespace beit_test::trunk_test
