// Tests forward_intermediates against the trunk's steps done one by one, in each layout and in memory of the caller's.
#include <beit/model/intermediates.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/thread_pool.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/beit.hpp>

#include "../random_weights.hpp"

namespace beit_test::intermediates_test {

using beit::Index;
using beit::Matrix;
using beit::Rows;
using beit::detail::BlockChoice;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(BlockChoice, IsMadeByIndices) {
  const std::vector<Index> indices{-1, 1, 3, 1};
  const BlockChoice some(indices, 4, "test");
  std::vector<Index> chosen;
  for (Index i = 0; i < 4; ++i) {
    if (some.contains(i)) chosen.push_back(i);
  }
  EXPECT_THAT(chosen, testing::ElementsAre(1, 3));
  EXPECT_EQ(some.size(), 2);
  EXPECT_EQ(some.end(), 4);
  EXPECT_EQ(BlockChoice(std::vector<Index>{0, -3}, 4, "test").end(), 2);
  EXPECT_EQ(BlockChoice(std::vector<Index>{}, 4, "test").size(), 4);
  EXPECT_THAT([] { BlockChoice(std::vector<Index>{4}, 4, "test"); },
              ThrowsMessage<beit::ArgumentError>("test: found block 4, wanted -4 to 3"));
}

TEST(BlockChoice, IsMadeByANumberOfLastBlocks) {
  const beit::IntermediatesOptions options{.last = 3};
  const BlockChoice last(options, 4);
  EXPECT_EQ(last.size(), 3);
  EXPECT_FALSE(last.contains(0));
  EXPECT_TRUE(last.contains(1));
  for (const Index wrong : {-1, 5}) {
    const beit::IntermediatesOptions bad{.last = wrong};
    EXPECT_THAT([&] { BlockChoice(bad, 4); }, ThrowsMessage<beit::ArgumentError>(HasSubstr("wanted 1 to 4")));
  }
}

class Intermediates : public testing::Test {
 protected:
  static beit::Config config() {
    beit::Config config;
    config.image_size = config.preprocessing.input_size = {32, 48};
    config.embed_dim = 24;
    config.num_heads = 3;
    config.mlp_hidden = 40;
    config.depth = 4;
    config.use_fc_norm = false;
    return config;
  }

  Intermediates() {
    for (Index i = 0; i < x_.size(); ++i) x_.data()[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  }

  /// The tokens (B*N, C) after block `block`, normed or not.
  Matrix tokens_after(Index block, bool norm) {
    const beit::Trunk<float> trunk(config(), weights_.root(), beit::default_kernels());
    Matrix tokens(batch * count, dim);
    trunk.embed(x_, block + 1, workspace_, tokens);
    for (Index i = 0; i <= block; ++i) trunk.forward_block(i, block + 1, batch, workspace_, tokens);
    if (norm) trunk.norm(tokens, workspace_, tokens);
    return tokens;
  }

  static constexpr Index batch = 2, count = 7, dim = 24;
  beit::ThreadPool pool_{2};
  beit::Workspace workspace_{pool_};
  RandomWeights weights_{5};
  beit::Beit<float> model_{config(), weights_.root()};
  Matrix x_{batch, 3 * 32 * 48};
};

TEST_F(Intermediates, AreTheStepsOfTheTrunkInEitherLayout) {
  for (const bool norm : {false, true}) {
    beit::IntermediatesOptions options{.indices = {0, 2}, .return_prefix_tokens = true, .norm = norm};
    const beit::Intermediates maps = model_.forward_intermediates(x_, options, workspace_);
    options.output_fmt = beit::OutputFormat::nlc;
    const beit::Intermediates rows = model_.forward_intermediates(x_, options, workspace_);
    EXPECT_EQ(rows.features.map(), model_.forward_features(x_).map());
    for (std::size_t i = 0; i < 2; ++i) {
      const Matrix tokens = tokens_after(i == 0 ? 0 : 2, norm);
      for (Index b = 0; b < batch; ++b) {
        EXPECT_EQ(rows.prefix_tokens[i].map().row(b), tokens.map().row(b * count));
        for (Index patch = 0; patch < count - 1; ++patch) {
          for (Index c = 0; c < dim; ++c) {
            const float wanted = tokens(b * count + 1 + patch, c);
            ASSERT_EQ(rows.intermediates[i](b * (count - 1) + patch, c), wanted);
            ASSERT_EQ(maps.intermediates[i](b, c * (count - 1) + patch), wanted);
          }
        }
      }
    }
  }
}

TEST_F(Intermediates, GoToMemoryOfTheCallers) {
  const beit::IntermediatesOptions options{
      .indices = {1, 3}, .return_prefix_tokens = true, .stop_early = true, .output_fmt = beit::OutputFormat::nlc};
  const beit::Intermediates wanted = model_.forward_intermediates(x_, options, workspace_);
  // Both blocks side by side: the rows of each lie apart.
  Matrix features(batch * count, dim), both(batch * (count - 1), 2 * dim + 1), first(batch, dim), second(batch, dim);
  both.map().setConstant(-7);
  Rows intermediates[] = {both.map().leftCols(dim), both.map().middleCols(dim, dim)};
  Rows prefix_tokens[] = {first, second};
  model_.forward_intermediates(x_, options, workspace_, features, intermediates, prefix_tokens);
  EXPECT_EQ(features.map(), wanted.features.map());
  EXPECT_EQ(both.map().leftCols(dim), wanted.intermediates[0].map());
  EXPECT_EQ(both.map().middleCols(dim, dim), wanted.intermediates[1].map());
  EXPECT_TRUE((both.map().rightCols(1).array() == -7).all());
  EXPECT_EQ(second.map(), wanted.prefix_tokens[1].map());
}

TEST_F(Intermediates, MapsGoToMemoryOfTheCallers) {
  const Index size = (count - 1) * dim;
  const beit::Intermediates wanted = model_.forward_intermediates(x_, {.last = 1}, workspace_);
  Matrix features(batch * count, dim), wide(batch, size + 3);
  Rows intermediates[] = {wide.map().rightCols(size)};
  model_.forward_intermediates(x_, {.last = 1}, workspace_, features, intermediates);
  EXPECT_EQ(wide.map().rightCols(size), wanted.intermediates[0].map());
}

TEST_F(Intermediates, WantMemoryOfTheirShape) {
  Matrix features(batch * count, dim), maps(batch, (count - 1) * dim), prefix(batch, dim), wrong(batch, 3);
  const auto call = [&](std::vector<Rows> intermediates, std::vector<Rows> prefix_tokens, bool return_prefix_tokens) {
    const beit::IntermediatesOptions options{.last = 1, .return_prefix_tokens = return_prefix_tokens};
    model_.forward_intermediates(x_, options, workspace_, features, intermediates, prefix_tokens);
  };
  EXPECT_NO_THROW(call({maps}, {prefix}, true));
  EXPECT_THAT([&] { call({}, {}, false); }, ThrowsMessage<beit::ArgumentError>(HasSubstr("0 intermediates, wanted 1")));
  EXPECT_THAT([&] { call({maps}, {}, true); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("0 prefix_tokens, wanted 1")));
  EXPECT_THAT([&] { call({maps}, {prefix}, false); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("1 prefix_tokens, wanted 0")));
  EXPECT_THAT([&] { call({wrong}, {}, false); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("intermediates: found shape (2, 3), wanted (2, 144)")));
  EXPECT_THAT([&] { call({maps}, {wrong}, true); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("prefix_tokens: found shape (2, 3), wanted (2, 24)")));
}

}  // namespace beit_test::intermediates_test
