// Tests a model with a new head: it is saved and loaded again, for every golden model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/bit_cast.hpp>
#include <beit/core/half.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/model/load.hpp>
#include <beit/model/presets.hpp>
#include <beit/transfer/save_head.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "../model/testing.hpp"

namespace beit_test::save_head_test {

using beit::Index;
using testing::AllOf;
using testing::HasSubstr;

/// Weights (classes, C) of a head.
beit::Matrix head_weight(Index classes, Index dim) {
  beit::Matrix weight(classes, dim);
  for (Index i = 0; i < weight.size(); ++i) weight.data()[i] = std::sin(static_cast<float>(i));
  return weight;
}

/// Two inputs of a model.
beit::Matrix input_of(const beit::Config& config) {
  beit::Matrix x(2, config.in_chans * config.image_size.area());
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = std::sin(static_cast<float>(3 * i));
  return x;
}

class SaveWithHead : public testing::TestWithParam<const char*> {};

TEST_P(SaveWithHead, KeepsTheBackboneAndItsConfiguration) {
  const auto source =
      std::filesystem::path(BEIT_TESTS_DIR) / "golden" / (std::string("model_") + GetParam() + ".safetensors");
  const auto target = std::filesystem::path(testing::TempDir()) / (std::string("beit_head_") + GetParam());
  const beit::SafeTensors file = beit::SafeTensors::open(source);
  const auto model = beit::load<float>(source, {.pass_order = beit::PassOrder::across_first});
  const beit::Config& config = model.config();
  const beit::Matrix weight = head_weight(3, config.embed_dim);
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

  const beit::Matrix x = input_of(config);
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
                                         "rectangle", "shared", "token", "beit3", "beit3_scale", "beit3_bare"),
                         [](const auto& test) { return std::string(test.param); });

/// The folder of a model of transformers, with its weights in one type.
class Folder : public TemporaryFolder {
 public:
  Folder(const std::string& name, beit::DType dtype) {
    const std::filesystem::path source = golden("hugging_face") / name;
    if (dtype == beit::DType::F32) {
      std::filesystem::copy(source, path());
      return;
    }
    std::map<std::string, std::vector<std::uint16_t>> values;
    std::map<std::string, beit::Tensor> tensors;
    for (const beit::SafeTensors& shard : beit::open_weight_files(source)) {
      for (const auto& [key, tensor] : shard.tensors()) {
        if (tensor.dtype != beit::DType::F32) continue;  // a counter beside the head
        std::vector<std::uint16_t>& halves = values[key];
        for (std::size_t i = 0; i < tensor.data.size(); i += sizeof(float)) {
          float x;
          std::memcpy(&x, &tensor.data[i], sizeof x);
          halves.push_back(dtype == beit::DType::BF16 ? beit::round_to_bfloat16(x)
                                                      : beit::detail::bit_cast<std::uint16_t>(Eigen::half(x)));
        }
        tensors[key] = {dtype, tensor.shape, std::as_bytes(std::span(halves))};
      }
    }
    beit::write_safetensors(path() / "model.safetensors", tensors);
    for (const char* file : {"config.json", "preprocessor_config.json"}) {
      std::filesystem::copy(source / file, path() / file);
    }
  }
};

/// Saves a head on the trunk of the model at `source`, and compares the saved model with that trunk: features,
/// preprocessing and labels are the same, and logits are those of the head.
void expect_the_same_after_saving(const std::filesystem::path& source, beit::LoadOptions options = {}) {
  options.features_only = true;
  const TemporaryFolder folder;
  const auto target = folder / "head.safetensors";
  const auto model = beit::load<float>(source, options);
  const beit::Config& config = model.config();
  const std::vector<beit::SafeTensors> files = beit::open_weight_files(source);
  const beit::Matrix weight = head_weight(3, config.embed_dim);
  const std::vector<float> bias{0.5f, -1, 2};
  ASSERT_NO_THROW(beit::require_savable(files, config));
  beit::save_with_head(target, files, config, weight, bias, {"a", "b", "c"});

  const auto loaded = beit::load<float>(target);
  EXPECT_EQ(loaded.config().layer_norm_eps, config.layer_norm_eps);
  EXPECT_EQ(loaded.config().score_function, beit::ScoreFunction::softmax);
  EXPECT_THAT(loaded.config().labels, testing::ElementsAre("a", "b", "c"));
  const beit::Preprocessing &found = loaded.config().preprocessing, &wanted = config.preprocessing;
  EXPECT_EQ(found.input_size, wanted.input_size);
  EXPECT_EQ(found.resize_to, wanted.resize_to);
  EXPECT_EQ(found.rescale_factor, wanted.rescale_factor);
  EXPECT_EQ(found.interpolation, wanted.interpolation);
  EXPECT_EQ(found.crop_mode, wanted.crop_mode);
  EXPECT_EQ(found.crop_pct, wanted.crop_pct);
  EXPECT_EQ(found.mean, wanted.mean);
  EXPECT_EQ(found.std, wanted.std);
  EXPECT_EQ(found.pass_order, wanted.pass_order);

  const beit::Matrix x = input_of(config), features = model.forward(x), logits = loaded.forward(x);
  EXPECT_EQ(largest_difference(loaded.forward(x, beit::HeadOutput::pre_logits), features), 0.0);
  EXPECT_EQ(largest_difference(loaded.forward_features(x), model.forward_features(x)), 0.0);
  for (Index i = 0; i < 2; ++i) {
    for (Index k = 0; k < 3; ++k) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(k)]);
      for (Index j = 0; j < config.embed_dim; ++j) sum += static_cast<double>(weight(k, j)) * features(i, j);
      EXPECT_NEAR(logits(i, k), sum, 1e-5);
    }
  }

  // At another size, positions are resampled as its publisher does, which the file must tell, too.
  if (options.preprocessing) return;
  options.image_size = {config.image_size.height + config.patch_size.height, config.image_size.width};
  const auto larger = beit::load<float>(source, options),
             larger_saved = beit::load<float>(target, {.image_size = options.image_size});
  const beit::Matrix y = input_of(larger.config());
  EXPECT_EQ(largest_difference(larger_saved.forward(y, beit::HeadOutput::pre_logits), larger.forward(y)), 0.0);
  EXPECT_EQ(larger_saved.config().preprocessing.resize_to, larger.config().preprocessing.resize_to);

  // A new head replaces the head.
  const auto second = folder / "second.safetensors";
  beit::save_with_head(second, beit::SafeTensors::open(target), loaded.config(), weight, bias, {"a", "b", "c"});
  EXPECT_EQ(file_text(second), file_text(target));
}

class SaveHeadOfTransformers : public testing::TestWithParam<const char*> {};

// The goldens have epsilons of 1e-12 and others, means and class tokens, tables, a shared one and absolute positions,
// a resize with a crop, several shards; and heads of other kinds.
TEST_P(SaveHeadOfTransformers, LosesNothing) {
  for (const beit::DType dtype : {beit::DType::F32, beit::DType::F16, beit::DType::BF16}) {
    SCOPED_TRACE(beit::dtype_name(dtype));
    const Folder folder(GetParam(), dtype);
    expect_the_same_after_saving(folder.path());
    expect_the_same_after_saving(folder.path(), {.pass_order = beit::PassOrder::across_first});
  }
}

INSTANTIATE_TEST_SUITE_P(, SaveHeadOfTransformers,
                         testing::Values("classifier", "sharded", "shared", "absolute", "data2vec", "data2vec_bare",
                                         "masked", "masked_norms", "segmentation"),
                         [](const auto& test) { return std::string(test.param); });

TEST(SaveHead, KeepsAPreprocessingOfAnotherPublisher) {
  const beit::Preprocessing timm{.input_size = {16, 16}, .crop_pct = 0.7, .crop_mode = beit::CropMode::border};
  expect_the_same_after_saving(golden("hugging_face") / "sharded", {.preprocessing = timm});
  const auto source = golden("model_standard.safetensors");
  beit::Preprocessing processor = beit::load<float>(source).config().preprocessing;
  processor.crop_mode = beit::CropMode::squash;
  processor.crop_pct = 1;
  for (const beit::Size size : {beit::Size{40, 0}, beit::Size{33, 37}}) {
    processor.resize_to = size;
    processor.rescale_factor = 1 / 127.5;
    processor.interpolation = beit::Interpolation::hamming;
    expect_the_same_after_saving(source, {.preprocessing = processor});
  }
}

TEST(SaveHead, TheScoresOfTheOldHeadDontCount) {
  const Folder folder("classifier", beit::DType::F32);
  nlohmann::json json = nlohmann::json::parse(file_text(folder / "config.json"));
  for (const char* problem : {"regression", "multi_label_classification"}) {
    json["problem_type"] = problem;
    folder.write("config.json", json.dump());
    expect_the_same_after_saving(folder.path());
  }
}

TEST(SaveHead, RefusesWhatItCantDescribeBeforeAnythingIsWritten) {
  const beit::SafeTensors file = beit::SafeTensors::open(golden("model_standard.safetensors"));
  const std::span<const beit::SafeTensors> files(&file, 1);
  beit::Config config = beit::load<float>(golden("model_standard.safetensors")).config();
  const auto refused = [&] {
    return message_of<beit::ArgumentError>([&] {
      beit::require_savable(files, config);
      return 0;
    });
  };
  config.layer_norm_eps = 1e-3f;
  EXPECT_THAT(refused(), HasSubstr("found layer_norm_eps 0.001, wanted 1e-6, as timm's Beit has it"));
  config.layer_norm_eps = 1e-6f;
  config.preprocessing.rescale_factor = 1;
  EXPECT_THAT(refused(), HasSubstr("found a rescale_factor of 1.0"));
  config.preprocessing.rescale_factor = 1.0 / 255;
  config.use_fc_norm = config.use_final_norm = false;
  EXPECT_THAT(refused(), HasSubstr("found a trunk without a last norm"));
  config.architecture = "beit";
  EXPECT_EQ(refused(), "no error");
  config.global_pool = beit::GlobalPool::token;
  EXPECT_THAT(refused(), HasSubstr("the class token of a model of transformers without a last norm"));
}

TEST(SaveHead, PartsOfATensorMustBeAlike) {
  const Folder folder("classifier", beit::DType::F32);
  const auto path = folder / "model.safetensors";
  const beit::Config config = beit::load<float>(folder.path()).config();
  std::string text = file_text(path);
  const beit::SafeTensors file = beit::SafeTensors::from_memory(as_bytes(text), "file");
  std::map<std::string, beit::Tensor> tensors = file.tensors();
  const std::string key = "beit.encoder.layer.1.attention.attention.key.weight";
  beit::Tensor& tensor = tensors.at(key);
  tensor.dtype = beit::DType::F16;
  tensor.data = tensor.data.first(tensor.data.size() / 2);
  const auto mixed = folder / "mixed.safetensors";
  beit::write_safetensors(mixed, tensors);
  const std::vector<beit::SafeTensors> files = beit::open_weight_files(mixed);
  EXPECT_THAT(message_of<beit::WeightError>([&] {
                beit::require_savable(files, config);
                return 0;
              }),
              AllOf(HasSubstr(key + ": found F16 (24, 24), wanted F32 (24, 24), as "), HasSubstr("query.weight is")));
}

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
