// Tests that a model of any precision gives the bits of the model of that weight type.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/any_beit.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/config_writer.hpp>
#include <vector>

#include "testing.hpp"

namespace beit_test::any_beit_test {

using beit::Index;
using beit::Matrix;

template <typename Weight>
void is_the_same(beit::Precision precision) {
  const auto wanted = beit::load<Weight>(golden("model_standard.safetensors"));
  const beit::AnyBeit model = beit::load_any(golden("model_standard.safetensors"), {.precision = precision});
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

TEST(AnyBeit, NamesGoBothWays) {
  for (const beit::Precision precision : beit::precisions) {
    EXPECT_EQ(beit::precision_from_name(beit::precision_name(precision)), precision);
  }
  EXPECT_THAT([] { beit::precision_from_name("half"); },
              testing::ThrowsMessage<beit::ArgumentError>(
                  "precision: found 'half', wanted one of float, float-fast, bfloat16, int8"));
}

TEST(AnyBeit, TakesTheOptionsOfLoad) {
  const beit::AnyBeit model =
      beit::load_any(golden("model_standard.safetensors"),
                     {.image_size = {24, 28}, .features_only = true, .precision = beit::Precision::bfloat16});
  EXPECT_EQ(model.config().num_classes, 0);
  EXPECT_EQ(model.config().image_size, (beit::Size{24, 28}));
}

}  // namespace beit_test::any_beit_test
