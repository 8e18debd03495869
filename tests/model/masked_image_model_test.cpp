// Compares the model of pre-training with transformers in double precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/block_mask.hpp>
#include <beit/model/load.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "testing.hpp"

namespace beit_test::masked_image_model_test {

using beit::Index;
using beit::Matrix;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::filesystem::path folder(const std::string& name) { return golden("hugging_face") / name; }

class MaskedImage : public testing::TestWithParam<Case> {};

TEST_P(MaskedImage, AgreesWithTransformersInDoublePrecision) {
  const std::string name = std::get<0>(GetParam());
  const auto model = beit::load_masked_image_model<float>(folder(name), {.isa = std::get<1>(GetParam())});
  ASSERT_EQ(model.isa(), std::get<1>(GetParam()));
  const auto file = beit::SafeTensors::open(golden("hugging_face") / (name + ".expected.safetensors"));
  const beit::WeightReader reader(file);
  const Index batch = reader.shape("input")[0], patches = model.config().grid().area();
  const Matrix x = expected(reader, "input", batch);
  const beit::Tensor& stored = file.tensors().at("mask");
  std::vector<std::int32_t> wide(static_cast<std::size_t>(stored.size()));
  std::memcpy(wide.data(), stored.data.data(), stored.data.size());
  const std::vector<std::uint8_t> mask(wide.begin(), wide.end());
  ASSERT_GT(std::accumulate(mask.begin(), mask.end(), 0), 0);

  constexpr double tolerance = 1e-5;  // values are of order 1; float rounding through 2 blocks
  const Matrix logits = model.forward(x, mask);
  EXPECT_LE(largest_difference(logits, expected(reader, "logits", batch * patches)), tolerance);
  Matrix features = expected(reader, "features", batch * (1 + patches));  // transformers' last_hidden_state
  if (name == "masked") {  // the head's norm, which is Microsoft's norm of the trunk, belongs to our features
    const auto own = beit::SafeTensors::open(folder(name) / "model.safetensors");
    const beit::WeightReader weights(own);
    const auto weight = weights.get("layernorm.weight", std::vector<Index>{features.cols()}),
               bias = weights.get("layernorm.bias", std::vector<Index>{features.cols()});
    for (Index i = 0; i < features.rows(); ++i) {
      const Eigen::RowVectorXd row = features.map().row(i).cast<double>();
      const double mean = row.mean(), deviation = std::sqrt((row.array() - mean).square().mean());
      for (Index c = 0; c < features.cols(); ++c) {
        features(i, c) = static_cast<float>((row[c] - mean) / deviation * weight[c] + bias[c]);
      }
    }
  }
  EXPECT_LE(largest_difference(model.forward_features(x, mask), features), tolerance);
  const std::vector<std::uint8_t> none(mask.size(), 0);
  EXPECT_GT(largest_difference(model.forward(x, none), logits), 0.01) << "the mask changed nothing";

  beit::ThreadPool pool(3);
  beit::Workspace workspace(pool);
  Matrix one(patches, model.config().vocab_size);
  for (Index b = 0; b < batch; ++b) {
    const std::span<const std::uint8_t> own(mask.data() + b * patches, static_cast<std::size_t>(patches));
    model.forward(x.map().row(b), own, workspace, one);
    EXPECT_EQ(one.map(), logits.map().middleRows(b * patches, patches)) << "other bits for another batch or threads";
  }
}

INSTANTIATE_TEST_SUITE_P(, MaskedImage, on_all("masked", "masked_norms"), case_name);

TEST(MaskedImageModel, WithoutAMaskItsFeaturesAreThoseOfTheTrunk) {
  for (const char* name : {"masked", "masked_norms"}) {
    const auto trunk = beit::load<float>(folder(name), beit::LoadOptions{.features_only = true});
    const auto model = beit::load_masked_image_model<float>(folder(name));
    const Index patches = model.config().grid().area();
    const RandomWeights numbers(2);
    const auto values = numbers.get("x", std::vector<Index>{2, 3 * 16 * 16});
    const Matrix x(Eigen::Map<const beit::RowMajorMatrix>(values.data(), 2, 3 * 16 * 16));
    const std::vector<std::uint8_t> mask(static_cast<std::size_t>(2 * patches), 0);
    EXPECT_EQ(model.forward_features(x, mask).map(), trunk.forward_features(x).map());
  }
}

TEST(MaskedImageModel, LoadsOtherImageSizes) {
  const auto model = beit::load_masked_image_model<float>(folder("masked"), {.image_size = {24, 16}});
  EXPECT_EQ(model.config().grid(), (Size{6, 4}));
  const Matrix logits =
      model.forward(Matrix(Eigen::MatrixXf::Constant(1, 3 * 24 * 16, 0.5f)), beit::block_mask({6, 4}, 0.4, 1));
  EXPECT_EQ(logits.rows(), 24);
}

TEST(MaskedImageModel, ReadsTimmsNames) {
  ModelFile file = ModelFile::read("model_shared.safetensors");
  const Index dim = file.tensors["cls_token"].shape[2];
  for (const char* name : {"head.weight", "head.bias", "fc_norm.weight", "fc_norm.bias"}) file.tensors.erase(name);
  file.metadata.clear();
  file.reshape("mask_token", {1, 1, dim});
  file.reshape("norm.weight", {dim});
  file.reshape("norm.bias", {dim});
  file.reshape("lm_head.weight", {30, dim});
  file.reshape("lm_head.bias", {30});
  const std::string bytes = file.bytes();
  const auto model = beit::load_masked_image_model<float>(beit::MemoryFiles{as_bytes(bytes), "made"});
  EXPECT_EQ(model.config().vocab_size, 30);
  const std::vector<std::uint8_t> mask(15);
  const Matrix x(Eigen::MatrixXf::Zero(1, 3 * 16 * 16));
  EXPECT_THAT([&] { return model.forward(x, mask); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("found a mask of 15 patches, wanted 16")));
  file.tensors.erase("mask_token");
  const std::string without = file.bytes();
  EXPECT_THAT(
      [&] {
        return beit::load_masked_image_model<float>(beit::MemoryFiles{as_bytes(without), "made"});
      },
      ThrowsMessage<beit::WeightError>(HasSubstr("made: mask_token: tensor is missing")));
}

TEST(MaskedImageModel, AddsPositionsToMaskedPatches) {
  // Makes the patch embedding 0.5 for every image, like the mask token, so that masks change nothing.
  ModelFile file = ModelFile::read("model_absolute.safetensors");
  const Index dim = file.tensors["cls_token"].shape[2];
  for (const char* name : {"head.weight", "head.bias", "fc_norm.weight", "fc_norm.bias"}) file.tensors.erase(name);
  nlohmann::json config = file.config();
  config.erase("num_classes");
  for (const char* key : {"num_classes", "use_fc_norm"}) config["model_args"].erase(key);
  config["label_names"] = nlohmann::json::array();
  file.set_config(config);
  file.reshape("mask_token", {1, 1, dim});
  file.reshape("patch_embed.proj.bias", {dim});
  std::fill(file.tensors["patch_embed.proj.weight"].values.begin(),
            file.tensors["patch_embed.proj.weight"].values.end(), 0.0f);
  file.reshape("norm.weight", {dim});
  file.reshape("norm.bias", {dim});
  file.reshape("lm_head.weight", {5, dim});
  file.reshape("lm_head.bias", {5});
  const std::string bytes = file.bytes();
  const auto model = beit::load_masked_image_model<float>(beit::MemoryFiles{as_bytes(bytes), "made"});
  const Matrix x(Eigen::MatrixXf::Random(1, 3 * model.config().image_size.area()));
  const std::vector<std::uint8_t> none(static_cast<std::size_t>(model.config().grid().area()), 0);
  const Matrix tokens = model.forward_features(x, none);
  EXPECT_EQ(model.forward_features(x, beit::block_mask(model.config().grid(), 0.5, 1)).map(), tokens.map());
  EXPECT_GT((tokens.map().row(1) - tokens.map().row(2)).cwiseAbs().maxCoeff(), 0.01) << "positions don't show";
}

TEST(MaskedImageModel, TheWrongCallSaysWhichIsRight) {
  EXPECT_THAT([] { return beit::load<float>(folder("masked")); },
              ThrowsMessage<beit::WeightError>(HasSubstr("which load_masked_image_model reads")));
  EXPECT_THAT(
      [] { return beit::load_masked_image_model<float>(folder("classifier")); },
      ThrowsMessage<beit::WeightError>(HasSubstr("found a BEiT classifier, which load reads, wanted a masked-")));
  EXPECT_THAT([] { return beit::load<float>(golden("dvae_one.safetensors")); },
              ThrowsMessage<beit::WeightError>(HasSubstr("found a tokenizer, which load_tokenizer reads")));
}

}  // namespace beit_test::masked_image_model_test
