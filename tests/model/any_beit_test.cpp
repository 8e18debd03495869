// Tests that a model of any precision gives the bits of the model of that weight type.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <beit/model/any_beit.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/config_writer.hpp>
#include <beit/model/load.hpp>
#include <beit/model/load_any.hpp>
#include <tuple>
#include <type_traits>
#include <vector>

#include "testing.hpp"

namespace beit_test::any_beit_test {

using beit::Index;
using beit::Matrix;

template <typename Weight>
void is_the_same(beit::Precision precision) {
  const auto wanted = beit::load<Weight>(golden("model_standard.safetensors"));
  const auto any = beit::load_any(golden("model_standard.safetensors"), {.precision = precision});
  const beit::AnyBeit& model = *any;
  EXPECT_EQ(model.precision(), precision);
  EXPECT_EQ(beit::config_json(model.config()), beit::config_json(wanted.config()));
  ASSERT_EQ(model.num_outputs(), wanted.num_outputs());
  const Index pixels = 3 * wanted.config().image_size.area(), tokens = 2 * wanted.config().num_tokens();
  const Matrix x(Eigen::MatrixXf::Random(2, pixels));
  beit::Workspace workspace;
  Matrix logits(2, model.num_outputs()), features(tokens, wanted.config().embed_dim), head(2, model.num_outputs());
  model.forward(x, workspace, logits);
  model.forward_features(x, workspace, features);
  model.forward_head(features, workspace, head);
  EXPECT_EQ(logits.map(), wanted.forward(x).map());
  EXPECT_EQ(head.map(), logits.map());
  EXPECT_EQ(model.forward(x).map(), logits.map());
  EXPECT_EQ(model.forward_features(x).map(), features.map());
  EXPECT_EQ(model.forward_head(features).map(), logits.map());
  EXPECT_EQ(model.forward(x, beit::HeadOutput::pre_logits).map(), beit::embed(wanted, x, workspace).map());
  EXPECT_EQ(model.forward_attention(x)[0].map(), wanted.forward_attention(x)[0].map());
  EXPECT_EQ(model.forward_intermediates(x).features.map(), features.map());
  EXPECT_EQ(features.map(), wanted.forward_features(x).map());
  EXPECT_EQ(model.forward_attention(x, {-1}, workspace)[0].map(), wanted.forward_attention(x, {-1})[0].map());
  EXPECT_EQ(model.forward_intermediates(x, {}, workspace).intermediates[0].map(),
            wanted.forward_intermediates(x).intermediates[0].map());

  beit::Image image(20, 20);
  for (Index i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(31 * i % 256);
  EXPECT_EQ(beit::embed(model, image), beit::embed(wanted, image));
  EXPECT_EQ(beit::classify(model, image, 1)[0].index, beit::classify(wanted, image, 1)[0].index);
}

TEST(AnyBeit, IsTheModelOfThatWeightType) {
  is_the_same<float>(beit::Precision::float32);
  is_the_same<beit::FloatFast>(beit::Precision::float_fast);
  is_the_same<Eigen::bfloat16>(beit::Precision::bfloat16);
  is_the_same<std::int8_t>(beit::Precision::int8);
}

TEST(AnyBeit, TakesTheOptionsOfLoad) {
  const auto model =
      beit::load_any(golden("model_standard.safetensors"),
                     {.image_size = {24, 28}, .features_only = true, .precision = beit::Precision::bfloat16});
  EXPECT_EQ(model->config().num_classes, 0);
  EXPECT_EQ(model->config().image_size, (beit::Size{24, 28}));
}

template <template <typename> class Model>
constexpr bool moves_only = std::is_move_constructible_v<Model<float>>&& std::is_move_assignable_v<Model<float>> &&
                            !std::is_copy_constructible_v<Model<float>> && !std::is_copy_assignable_v<Model<float>>;
static_assert(moves_only<beit::Beit> && moves_only<beit::MaskedImageModel> && moves_only<beit::Tokenizer>);
static_assert(!std::is_move_constructible_v<beit::AnyBeit>, "which would leave a model's weights behind");

/// A pool of one thread that counts its calls.
struct CountingPool {
  std::atomic<int> calls{0};
  int size() const { return 2; }
  void parallel_for(Index count, const auto& task) {
    ++calls;
    for (Index i = 0; i < count; ++i) task(i);
  }
};

/// Whether `call` runs on the first of two pools.
template <typename Call>
void runs_on(CountingPool& wanted, CountingPool& other, const Call& call) {
  const int before = wanted.calls, others = other.calls;
  call();
  EXPECT_GT(wanted.calls, before);
  EXPECT_EQ(other.calls, others);
}

TEST(AnyBeit, RunsOnItsExecutorUnlessGivenAWorkspace) {
  CountingPool own, other;
  const auto model = beit::load<float>(golden("model_standard.safetensors"), {.executor = own});
  EXPECT_GT(own.calls, 0) << "weights are packed on it";
  const Matrix x(Eigen::MatrixXf::Random(2, 3 * model.config().image_size.area()));
  const beit::Image image(20, 20);
  const std::vector<beit::Image> images(2, image);
  runs_on(own, other, [&] { std::ignore = model.forward(x); });
  runs_on(own, other, [&] { std::ignore = model.forward_features(x); });
  runs_on(own, other, [&] { std::ignore = model.forward_intermediates(x); });
  runs_on(own, other, [&] { std::ignore = model.forward_attention(x); });
  runs_on(own, other, [&] { std::ignore = beit::classify(model, image); });
  runs_on(own, other, [&] { std::ignore = beit::embed(model, images); });
  beit::Workspace workspace(other);
  Matrix out(2, model.num_outputs());
  runs_on(other, own, [&] { model.forward(x, workspace, out); });
  EXPECT_EQ(out.map(), model.forward(x).map());
  runs_on(other, own, [&] { std::ignore = beit::classify(model, images, 1, workspace); });

  const auto masked = beit::load_masked_image_model<float>(golden("hugging_face") / "masked", {.executor = own});
  const Matrix y(Eigen::MatrixXf::Random(1, 3 * masked.config().image_size.area()));
  const std::vector<std::uint8_t> mask(static_cast<std::size_t>(masked.config().grid().area()), 1);
  runs_on(own, other, [&] { std::ignore = masked.forward(y, mask); });
  const auto tokenizer = beit::load_tokenizer<float>(golden("dvae_one.safetensors"), {.executor = own});
  runs_on(own, other, [&] { std::ignore = tokenizer.decode(tokenizer.encode(image)); });
}

}  // namespace beit_test::any_beit_test
