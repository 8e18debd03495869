// Tests what callers of a model rely on: bits that don't depend on threads or batches, and errors for wrong shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <beit/core/thread_pool.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/load.hpp>

#include "../levels.hpp"
#include "../random_weights.hpp"

namespace beit_test::beit_test {

using beit::Index;
using beit::Matrix;
using beit::Workspace;

/// Wide and long enough that every kernel has several chunks and a remainder.
template <typename Weight>
beit::Beit<Weight> make_model(const beit::Kernels& kernels = beit::default_kernels()) {
  beit::Config config;
  config.image_size = config.preprocessing.input_size = {48, 64};
  config.patch_size = {4, 4};
  config.embed_dim = 60;
  config.num_heads = 5;
  config.mlp_hidden = 300;
  config.depth = 2;
  config.num_classes = 37;
  const RandomWeights weights(1);
  return {config, weights.root(), kernels};
}

Matrix images(const beit::Config& config, Index batch) {
  Matrix x(batch, config.in_chans * config.image_size.area());
  const RandomWeights numbers(2);
  std::copy_n(numbers.get("images", std::vector<Index>{x.rows(), x.cols()}).data(), x.size(), x.data());
  return x;
}

void expect_equal(const Matrix& a, const Matrix& b, const std::string& what) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  for (Index i = 0; i < a.size(); ++i) ASSERT_EQ(a.data()[i], b.data()[i]) << what << " at " << i;
}

/// Tests models on the kernels of each level.
class BeitOn : public testing::TestWithParam<beit::Isa> {
 protected:
  template <typename Weight>
  static beit::Beit<Weight> make() {
    return make_model<Weight>(beit::choose_kernels(GetParam()));
  }
  template <typename Weight>
  static void check_bits();
  template <typename Weight>
  static float cosine_to_float();
  template <typename Weight>
  static void check_attention(float tolerance);
};
INSTANTIATE_TEST_SUITE_P(, BeitOn, testing::ValuesIn(available_levels()), level_name);

template <typename Weight>
void BeitOn::check_bits() {
  const auto model = make<Weight>();
  const Matrix x = images(model.config(), 5);
  beit::ThreadPool one(1);
  Workspace serial(one);
  Matrix wanted(5, 37);
  model.forward(x, serial, wanted);
  EXPECT_GT((wanted.map().rowwise() - wanted.map().row(0)).cwiseAbs().maxCoeff(), 0.01f) << "images look the same";
  for (const int threads : {2, 3}) {
    beit::ThreadPool pool(threads);
    Workspace workspace(pool);
    Matrix out(5, 37);
    model.forward(x, workspace, out);
    expect_equal(out, wanted, std::to_string(threads) + " threads");
    for (Index b = 0; b < 5; ++b) {
      Matrix alone(1, 37);
      model.forward(x.map().row(b), workspace, alone);
      expect_equal(alone, Matrix(wanted.map().row(b)), "image " + std::to_string(b) + " alone");
    }
    // Rows that begin one float after a cache line and lie apart.
    Matrix far_x(5, x.cols() + 3), far_out(5, 37 + 4);
    far_x.map().middleCols(1, x.cols()) = x.map();
    model.forward(far_x.map().middleCols(1, x.cols()), workspace, far_out.map().middleCols(1, 37));
    expect_equal(Matrix(far_out.map().middleCols(1, 37)), wanted, "memory that isn't aligned");
  }
}

TEST_P(BeitOn, FloatBitsDependOnNeitherThreadsNorBatchNorAlignment) { check_bits<float>(); }
TEST_P(BeitOn, Bfloat16BitsDependOnNeitherThreadsNorBatchNorAlignment) { check_bits<Eigen::bfloat16>(); }
TEST_P(BeitOn, Int8BitsDependOnNeitherThreadsNorBatchNorAlignment) { check_bits<std::int8_t>(); }
TEST_P(BeitOn, FloatFastBitsDependOnNeitherThreadsNorBatchNorAlignment) { check_bits<beit::FloatFast>(); }

/// The cosine of the logits of one model in two precisions.
template <typename Weight>
float BeitOn::cosine_to_float() {
  const auto exact = make<float>();
  const Matrix x = images(exact.config(), 1), p = exact.forward(x), q = make<Weight>().forward(x);
  const auto a = p.map().row(0), b = q.map().row(0);
  return a.dot(b) / (a.norm() * b.norm());
}

TEST_P(BeitOn, PrecisionsAreCloseToFloat) {
  EXPECT_GT(cosine_to_float<beit::FloatFast>(), 0.9999999f);
  EXPECT_GT(cosine_to_float<Eigen::bfloat16>(), 0.9999f);
  EXPECT_GT(cosine_to_float<std::int8_t>(), 0.999f);
}

TEST(Beit, OneModelServesManyThreads) {
  const auto model = make_model<float>();
  const Matrix x = images(model.config(), 2);
  const Matrix wanted = model.forward(x);
  std::vector<Matrix> results(4);
  std::vector<std::thread> threads;
  for (Matrix& result : results) {
    threads.emplace_back([&] {
      Workspace workspace;
      result = Matrix(2, 37);
      for (int i = 0; i < 3; ++i) model.forward(x, workspace, result);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Matrix& result : results) expect_equal(result, wanted, "thread");
}

TEST(Beit, AWorkspaceServesBatchesOfAnySizeInTurn) {
  const auto model = make_model<float>();
  const Matrix x = images(model.config(), 4);
  const Matrix wanted = model.forward(x);
  Workspace workspace;
  for (const Index batch : {1, 4, 2}) {
    Matrix out(batch, 37);
    model.forward(x.map().topRows(batch), workspace, out);
    expect_equal(out, Matrix(wanted.map().topRows(batch)), "batch of " + std::to_string(batch));
  }
}

template <typename Weight>
void check_empty_batch() {
  const auto model = make_model<Weight>();
  Workspace workspace;
  const Matrix x(0, model.config().in_chans * model.config().image_size.area());
  Matrix logits(0, 37), features(0, 60);
  EXPECT_NO_THROW(model.forward(x, workspace, logits));
  EXPECT_NO_THROW(model.forward(x, workspace, features, beit::HeadOutput::pre_logits));
}

TEST(Beit, NoImagesAreABatch) {
  check_empty_batch<float>();
  check_empty_batch<Eigen::bfloat16>();
  check_empty_batch<std::int8_t>();
}

TEST(Beit, ForwardStopsBeforeTheClassifier) {
  const auto model = make_model<float>();
  const Matrix x = images(model.config(), 2);
  Workspace workspace;
  Matrix features(2, 60);
  model.forward(x, workspace, features, beit::HeadOutput::pre_logits);
  expect_equal(features, model.forward_head(model.forward_features(x), beit::HeadOutput::pre_logits), "pre_logits");
}

TEST(Beit, IntermediatesAreChosenAsTimmChoosesThem) {
  const auto model = make_model<float>();
  const Matrix x = images(model.config(), 2);
  const auto all = model.forward_intermediates(x, {.return_prefix_tokens = true});
  ASSERT_EQ(all.intermediates.size(), 2u);
  ASSERT_EQ(all.prefix_tokens.size(), 2u);
  EXPECT_EQ(all.prefix_tokens[0].rows(), 2);
  EXPECT_EQ(all.prefix_tokens[0].cols(), 60);
  const Matrix tokens = model.forward_features(x);
  expect_equal(all.features, tokens, "features");
  for (Index b = 0; b < 2; ++b) {
    expect_equal(Matrix(all.prefix_tokens[1].map().row(b)), Matrix(tokens.map().row(b * 193)), "class token");
  }
  const auto last = model.forward_intermediates(x, {.indices = {-1}});
  ASSERT_EQ(last.intermediates.size(), 1u);
  expect_equal(last.intermediates[0], all.intermediates[1], "block -1");
  const auto last_two = model.forward_intermediates(x, {.last = 2});
  expect_equal(last_two.intermediates[0], all.intermediates[0], "last 2");
  const auto early = model.forward_intermediates(x, {.indices = {0}, .stop_early = true});
  expect_equal(early.intermediates[0], all.intermediates[0], "block 0");
  EXPECT_THROW(std::ignore = model.forward_intermediates(x, {.indices = {2}}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_intermediates(x, {.indices = {-3}}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_intermediates(x, {.last = 3}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_intermediates(x, {.indices = {0}, .last = 1}), beit::ArgumentError);
}

template <typename Weight>
void BeitOn::check_attention(float tolerance) {
  const auto model = make<Weight>();
  const Matrix x = images(model.config(), 3);
  const std::vector<Matrix> all = model.forward_attention(x), exact = make<float>().forward_attention(x);
  ASSERT_EQ(all.size(), 2u);
  for (std::size_t block = 0; block < 2; ++block) {
    ASSERT_EQ(all[block].rows(), 3 * 5 * 193);
    ASSERT_EQ(all[block].cols(), 193);
    EXPECT_LE((all[block].map().rowwise().sum().array() - 1).abs().maxCoeff(), 2e-6f);
    EXPECT_LE((all[block].map() - exact[block].map()).cwiseAbs().maxCoeff(), tolerance) << "block " << block;
  }
  // Computed alone, on one thread.
  beit::ThreadPool pool(1);
  Workspace workspace(pool);
  const auto alone = model.forward_attention(x.map().row(1), {-1}, workspace);
  ASSERT_EQ(alone.size(), 1u);
  expect_equal(alone[0], Matrix(all[1].map().middleRows(5 * 193, 5 * 193)), "the second image's last block");
}

TEST_P(BeitOn, AttentionOfFloat) { check_attention<float>(0); }
TEST_P(BeitOn, AttentionOfFloatFast) { check_attention<beit::FloatFast>(1e-3f); }
TEST_P(BeitOn, AttentionOfBfloat16) { check_attention<Eigen::bfloat16>(1e-2f); }
TEST_P(BeitOn, AttentionOfInt8) { check_attention<std::int8_t>(1e-2f); }

TEST(Beit, AttentionOfChosenBlocks) {
  const auto model = make_model<float>();
  const Matrix x = images(model.config(), 1);
  const auto all = model.forward_attention(x), both = model.forward_attention(x, {-1, 0, 1});
  ASSERT_EQ(both.size(), 2u);
  expect_equal(both[0], all[0], "block 0");
  expect_equal(both[1], all[1], "block 1");
  expect_equal(model.forward_attention(x, {0})[0], all[0], "block 0 alone");
  EXPECT_GT((all[0].map() - all[1].map()).cwiseAbs().maxCoeff(), 0.001f);
  EXPECT_THROW(std::ignore = model.forward_attention(x, {2}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_attention(x, {0, -3}), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_attention(Matrix(1, 100)), beit::ArgumentError);
  EXPECT_EQ(model.forward_attention(x.map().topRows(0))[1].rows(), 0);
}

TEST(Beit, WrongShapesAreErrors) {
  const auto model = make_model<float>();
  EXPECT_THROW(std::ignore = model.forward(Matrix(1, 100)), beit::ArgumentError);
  const Matrix x = images(model.config(), 1);
  Workspace workspace;
  Matrix out(1, 36), rows(2, 37), tokens(193, 61);
  EXPECT_THROW(model.forward(x, workspace, out), beit::ArgumentError);
  EXPECT_THROW(model.forward(x, workspace, rows), beit::ArgumentError);
  EXPECT_THROW(model.forward_features(x, workspace, tokens), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_head(Matrix(192, 60)), beit::ArgumentError);
  EXPECT_THROW(std::ignore = model.forward_features(Matrix(1000000000, 0)), beit::ArgumentError)
      << "before memory is taken";
}

TEST(Beit, ConfigsThatMakeNoModelAreErrors) {
  const RandomWeights weights(1);
  const auto make = [&](auto change) {
    beit::Config config;
    config.image_size = config.preprocessing.input_size = {32, 32};
    config.depth = 1;
    config.embed_dim = 12;
    config.mlp_hidden = 12;
    change(config);
    return beit::Beit<float>(config, weights.root());
  };
  EXPECT_NO_THROW(make([](beit::Config&) {}));
  EXPECT_NO_THROW(beit::Config{}.check());
  EXPECT_THROW(make([](beit::Config& c) { c.num_heads = 5; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) { c.depth = 0; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) { c.patch_size = {5, 5}; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) { c.preprocessing.input_size = {16, 16}; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) { c.labels = {"a"}; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) { c.preprocessing.std = {0, 0, 0}; }), beit::ConfigError);
  EXPECT_THROW(make([](beit::Config& c) {
                 c.image_size = c.preprocessing.input_size = {1 << 30, 1 << 30};
               }),
               beit::ConfigError);
}

}  // namespace beit_test::beit_test
