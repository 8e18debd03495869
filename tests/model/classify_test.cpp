// Tests the functions from images to labels and features.
#include <beit/model/classify.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <beit/model/beit.hpp>

#include "../random_weights.hpp"

namespace beit_test::classify_test {

using beit::Index;
using beit::Matrix;

TEST(TopK, SortsAndSumsToOne) {
  const std::vector<float> logits{1.0f, 3.0f, 2.0f, 3.0f};
  const std::vector<std::string> labels{"a", "b", "c", "d"};
  const auto best = beit::top_k(logits, 10, labels);
  ASSERT_EQ(best.size(), 4u);
  EXPECT_EQ(best[0].label, "b");
  EXPECT_EQ(best[1].label, "d");
  EXPECT_EQ(best[2].index, 2);
  const double sum = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  EXPECT_NEAR(best[0].score, std::exp(3.0) / sum, 1e-7);
  EXPECT_NEAR(best[3].score, std::exp(1.0) / sum, 1e-7);
  EXPECT_EQ(beit::top_k(logits, 1, {})[0].label, "class 1");
  EXPECT_EQ(beit::top_k(logits, 1, {"a", "", "c", "d"})[0].label, "class 1");
  EXPECT_THROW(std::ignore = beit::top_k(logits, 0, labels), beit::ArgumentError);
  EXPECT_THROW(std::ignore = beit::top_k({}, 1, {}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = beit::top_k(logits, 1, {"a", "b"}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = beit::top_k(std::vector<float>{1, std::nanf("")}, 1, {}), beit::ArgumentError);
}

TEST(TopK, ScoresAreWhatTheFunctionMakesOfLogits) {
  const std::vector<float> logits{-1.0f, 3.0f, 800.0f, -800.0f};
  const auto sigmoids = beit::top_k(logits, 4, {}, beit::ScoreFunction::sigmoid);
  EXPECT_EQ(sigmoids[0].score, 1.0f);
  EXPECT_EQ(sigmoids[1].index, 1);
  EXPECT_NEAR(sigmoids[1].score, 1 / (1 + std::exp(-3.0)), 1e-7);
  EXPECT_NEAR(sigmoids[2].score, 1 / (1 + std::exp(1.0)), 1e-7);
  EXPECT_EQ(sigmoids[3].score, 0.0f);
  EXPECT_EQ(beit::top_k(std::vector{0.5f}, 1, {})[0].score, 1.0f);
  for (const beit::Prediction& found : beit::top_k(logits, 4, {}, beit::ScoreFunction::identity)) {
    EXPECT_EQ(found.score, logits[static_cast<std::size_t>(found.index)]);
  }
}

TEST(TopK, HasTheOrderOfAStableSort) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i) logits.push_back(static_cast<float>(i * 7919 % 311));  // each value about three times
  std::vector<Index> order(logits.size());
  std::iota(order.begin(), order.end(), Index{0});
  const auto at = [&](Index i) { return logits[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return at(a) > at(b); });
  for (const std::size_t k : {1u, 5u, 999u, 1000u}) {
    const auto best = beit::top_k(logits, static_cast<Index>(k), {});
    ASSERT_EQ(best.size(), k);
    for (std::size_t i = 0; i < k; ++i) ASSERT_EQ(best[i].index, order[i]) << i << " of " << k;
  }
}

TEST(Classify, OneImageAndManyAgree) {
  beit::Config config;
  config.image_size = config.preprocessing.input_size = {48, 64};
  config.patch_size = {16, 16};
  config.embed_dim = 60;
  config.num_heads = 5;
  config.mlp_hidden = 100;
  config.depth = 1;
  config.num_classes = 37;
  const beit::Beit<float> model(config, RandomWeights(1).root());
  std::vector<std::uint8_t> pixels(3 * 90 * 70);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * i >> 5);
  const beit::ImageView view{pixels.data(), 90, 70, 3, 3 * 70};
  const beit::ImageView part{pixels.data(), 40, 70, 3, 3 * 70};
  const std::vector<beit::ImageView> both{view, part};
  beit::Workspace workspace;
  const auto many = beit::classify(model, both, 3, workspace);
  const Matrix vectors = beit::embed(model, std::span<const beit::ImageView>(both), workspace);
  ASSERT_EQ(many.size(), 2u);
  ASSERT_EQ(vectors.rows(), 2);
  const Matrix input = beit::preprocess(model.config(), both, workspace);
  EXPECT_EQ(beit::embed(model, input, workspace).map(), vectors.map());
  EXPECT_EQ(beit::classify(model, input, 3, workspace)[1][2].score, many[1][2].score);
  const auto alone = beit::classify(model, part, 3);
  const std::vector<float> vector = beit::embed(model, part);
  ASSERT_EQ(vector.size(), 60u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(many[1][i].index, alone[i].index);
    EXPECT_EQ(many[1][i].score, alone[i].score);
  }
  for (Index i = 0; i < 60; ++i) EXPECT_EQ(vectors(1, i), vector[static_cast<std::size_t>(i)]);
}

}  // namespace beit_test::classify_test
