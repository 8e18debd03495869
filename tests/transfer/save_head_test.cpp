// Tests a model with a new head: it is saved and loaded again, for every golden model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/load.hpp>
#include <beit/model/presets.hpp>
#include <beit/transfer/save_head.hpp>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace beit_test::save_head_test {

using beit::Index;

class SaveWithHead : public testing::TestWithParam<const char*> {};

TEST_P(SaveWithHead, KeepsTheBackboneAndItsConfiguration) {
  const auto source =
      std::filesystem::path(BEIT_TESTS_DIR) / "golden" / (std::string("model_") + GetParam() + ".safetensors");
  const auto target = std::filesystem::path(testing::TempDir()) / (std::string("beit_head_") + GetParam());
  const beit::SafeTensors file = beit::SafeTensors::open(source);
  const auto model = beit::load<float>(source, {.pass_order = beit::PassOrder::across_first});
  const beit::Config& config = model.config();
  beit::Matrix weight(3, config.embed_dim);
  for (Index i = 0; i < weight.size(); ++i) weight.data()[i] = std::sin(static_cast<float>(i));
  const std::vector<float> bias{0.5f, -1, 2};
  beit::save_with_head(target, file, config, weight, bias, {"a", "b \"quoted\"", "c"});

  const beit::SafeTensors written = beit::SafeTensors::open(target);
  for (const auto& [name, tensor] : file.tensors()) {
    if (name.starts_with("head.")) continue;
    const beit::Tensor& copy = written.tensors().at(name);
    EXPECT_EQ(copy.dtype, tensor.dtype) << name;
    EXPECT_TRUE(std::equal(copy.data.begin(), copy.data.end(), tensor.data.begin(), tensor.data.end())) << name;
  }
  const auto loaded = beit::load<float>(target);
  EXPECT_THAT(loaded.config().labels, testing::ElementsAre("a", "b \"quoted\"", "c"));
  EXPECT_EQ(loaded.config().num_classes, 3);
  EXPECT_EQ(loaded.config().global_pool, config.global_pool);
  EXPECT_EQ(loaded.config().num_heads, config.num_heads);
  EXPECT_EQ(loaded.config().image_size, config.image_size);
  EXPECT_EQ(loaded.config().preprocessing.mean, config.preprocessing.mean);
  EXPECT_EQ(loaded.config().preprocessing.std, config.preprocessing.std);
  EXPECT_EQ(loaded.config().preprocessing.crop_pct, config.preprocessing.crop_pct);
  EXPECT_EQ(loaded.config().preprocessing.interpolation, config.preprocessing.interpolation);
  EXPECT_EQ(loaded.config().preprocessing.crop_mode, config.preprocessing.crop_mode);
  EXPECT_EQ(loaded.config().preprocessing.pass_order, beit::PassOrder::across_first);

  beit::Matrix x(2, config.in_chans * config.image_size.area());
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = std::sin(static_cast<float>(3 * i));
  const beit::Matrix features = model.forward(x, beit::HeadOutput::pre_logits), logits = loaded.forward(x);
  for (Index i = 0; i < 2; ++i) {
    for (Index k = 0; k < 3; ++k) {
      double wanted = static_cast<double>(bias[static_cast<std::size_t>(k)]);
      for (Index j = 0; j < config.embed_dim; ++j) wanted += static_cast<double>(weight(k, j)) * features(i, j);
      EXPECT_NEAR(logits(i, k), wanted, 1e-5);
    }
  }
  std::filesystem::remove(target);
}

INSTANTIATE_TEST_SUITE_P(, SaveWithHead,
                         testing::Values("standard", "absolute", "avg_norm", "bf16", "both", "headless", "odd", "plain",
                                         "rectangle", "shared", "token"),
                         [](const auto& test) { return std::string(test.param); });

TEST(SaveHead, RefusesShapesThatDontFit) {
  const auto source = std::filesystem::path(BEIT_TESTS_DIR) / "golden" / "model_standard.safetensors";
  const beit::SafeTensors file = beit::SafeTensors::open(source);
  const beit::Config config = beit::load<float>(source).config();
  const auto target = std::filesystem::path(testing::TempDir()) / "beit_head_wrong";
  const std::vector<float> bias{1, 2};
  EXPECT_THROW(beit::save_with_head(target, file, config, beit::Matrix(2, 5), bias, {"a", "b"}), beit::ArgumentError);
  EXPECT_THROW(beit::save_with_head(target, file, config, beit::Matrix(3, config.embed_dim), bias, {"a", "b", "c"}),
               beit::ArgumentError);
  EXPECT_FALSE(std::filesystem::exists(target));
}

TEST(ConfigJson, WritesShortNumbers) {
  beit::Config config = beit::preset("beitv2_base_patch16_224");
  config.mlp_hidden = 1025;  // 768 * (1025 / 768) falls short of 1025
  const auto json = beit::config_json(config);
  EXPECT_EQ(json["pretrained_cfg"]["mean"].dump(), "[0.485,0.456,0.406]");
  EXPECT_EQ(static_cast<Index>(768 * json["model_args"]["mlp_ratio"].get<double>()), 1025);
}

}  // namespace beit_test::save_head_test
