// Tests the sources of models and the errors of broken ones. The config reader's rules are tested through load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/load.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "testing.hpp"

namespace beit_test::load_test {

using beit::Index;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

beit::Beit<float> load(const ModelFile& file) {
  const std::string bytes = file.bytes();
  return beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "m.safetensors"});
}

template <typename ErrorType>
std::string error_of(const ModelFile& file) {
  return message_of<ErrorType>([&] { load(file); });
}

beit::Matrix input(const beit::Beit<float>& model) {
  beit::Matrix x(1, model.config().in_chans * model.config().image_size.area());
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = std::sin(static_cast<float>(i));
  return x;
}

void expect_same_logits(const beit::Beit<float>& a, const beit::Beit<float>& b) {
  const beit::Matrix x = input(a), p = a.forward(x), q = b.forward(x);
  ASSERT_EQ(p.cols(), q.cols());
  for (Index i = 0; i < p.cols(); ++i) EXPECT_EQ(p(0, i), q(0, i));
}

TEST(Load, ConvertedPairAndBareFileAreTheSameModel) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  const auto converted = load(file);
  EXPECT_EQ(converted.config().labels.size(), 10u);
  EXPECT_EQ(converted.config().labels[3], "the class 3 of the golden model standard");

  const std::string config = file.metadata["beit.config"];
  file.metadata.clear();
  const auto bare = load(file);
  EXPECT_TRUE(bare.config().labels.empty());
  EXPECT_EQ(bare.config().image_size, converted.config().image_size);
  EXPECT_EQ(bare.config().num_heads, converted.config().num_heads);
  expect_same_logits(converted, bare);

  const TemporaryFolder folder;
  const auto weights = folder.write("model.safetensors", file.bytes());
  folder.write("config.json", config);
  const auto pair = beit::load<float>(folder.path());
  EXPECT_EQ(pair.config().labels, converted.config().labels);
  expect_same_logits(converted, pair);
  EXPECT_EQ(beit::load<float>(weights).config().labels, converted.config().labels) << "config.json beside the file";
}

/// A user's pool, which counts its calls.
struct CountingPool {
  Index calls = 0;
  int size() const { return 3; }
  void parallel_for(Index count, const auto& task) {
    ++calls;
    for (Index i = 0; i < count; ++i) task(i);
  }
};

TEST(Load, PacksOnTheGivenPool) {
  const auto path = golden("model_standard.safetensors");
  CountingPool pool;
  expect_same_logits(beit::load<float>(path), beit::load<float>(path, {.executor = pool}));
  EXPECT_GT(pool.calls, 0);
}

TEST(Load, Bfloat16HoldsRoundedWeights) {
  const auto exact = beit::load<float>(golden("model_standard.safetensors"));
  const auto half = beit::load<Eigen::bfloat16>(golden("model_standard.safetensors"));
  const beit::Matrix x = input(exact), p = exact.forward(x), q = half.forward(x);
  const auto a = p.map().row(0), b = q.map().row(0);
  EXPECT_GT((a - b).norm(), 0.0f);
  EXPECT_GT(a.dot(b) / (a.norm() * b.norm()), 0.999f);
  // A file of bfloat16 weights loses no more than multiplying in bfloat16 does.
  const auto from_half = beit::load<float>(golden("model_bf16.safetensors"));
  const auto as_half = beit::load<Eigen::bfloat16>(golden("model_bf16.safetensors"));
  const beit::Matrix y = input(from_half);
  const beit::Matrix floats = from_half.forward(y), halves = as_half.forward(y);
  if (beit::precision_kernels<Eigen::bfloat16>(beit::default_kernels()).gemm.layout->number_format ==
      beit::kernels::NumberFormat::none) {
    EXPECT_EQ((floats.map() - halves.map()).cwiseAbs().maxCoeff(), 0.0f);
  } else {
    const auto c = floats.map().row(0), d = halves.map().row(0);
    EXPECT_GT(c.dot(d) / (c.norm() * d.norm()), 0.9999f);
  }
}

TEST(Load, ShapesWinOverThePreset) {
  // The golden models claim to be beit_base_patch16_224 but are smaller; shapes win over the preset even without
  // model_args.
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config.erase("model_args");
  file.set_config(config);
  const auto model = load(file);
  EXPECT_EQ(model.config().embed_dim, 24);
  EXPECT_EQ(model.config().num_heads, 3);
}

TEST(Load, BareFileNeedsATableToTellTheHeads) {
  ModelFile file = ModelFile::read("model_absolute.safetensors");
  file.metadata.clear();
  EXPECT_THAT(error_of<beit::ConfigError>(file), AllOf(HasSubstr("m.safetensors"), HasSubstr("number of heads")));
}

TEST(Load, BareRectangleIsAmbiguous) {
  ModelFile file = ModelFile::read("model_rectangle.safetensors");
  file.metadata.clear();
  EXPECT_THAT(error_of<beit::ConfigError>(file), HasSubstr("found no image size"));
}

TEST(Load, ContradictionsNameBothSides) {
  const ModelFile original = ModelFile::read("model_standard.safetensors");
  const auto with = [&](const char* pointer, const json& value) {
    ModelFile file = original;
    json config = file.config();
    config[json::json_pointer(pointer)] = value;
    file.set_config(config);
    return error_of<beit::ConfigError>(file);
  };
  EXPECT_THAT(with("/num_classes", 1000), AllOf(HasSubstr("num_classes: found 1000, wanted 10"), HasSubstr("head")));
  EXPECT_THAT(with("/model_args/embed_dim", 768), HasSubstr("embed_dim: found 768, wanted 24"));
  EXPECT_THAT(with("/model_args/depth", 3), HasSubstr("depth: found 3, wanted 2"));
  EXPECT_THAT(with("/model_args/num_heads", 4), HasSubstr("num_heads: found 4, wanted 3"));
  EXPECT_THAT(with("/model_args/patch_size", 16), HasSubstr("patch_size: found 16, wanted 4x4"));
  EXPECT_THAT(with("/model_args/mlp_ratio", 3.0), HasSubstr("mlp_ratio: found 3.0"));
  EXPECT_THAT(with("/model_args/qkv_bias", false), HasSubstr("qkv_bias: found false, wanted true"));
  EXPECT_THAT(with("/model_args/init_values", 0), HasSubstr("init_values: found 0"));
  EXPECT_THAT(with("/model_args/use_abs_pos_emb", true), HasSubstr("use_abs_pos_emb: found true, wanted false"));
  EXPECT_THAT(with("/model_args/swiglu_mlp", true), HasSubstr("swiglu_mlp: found true, wanted false"));
  EXPECT_THAT(with("/pretrained_cfg/input_size", json({3, 24, 24})),
              HasSubstr("input_size: found [3,24,24], wanted 20x20, the model's img_size"));
  EXPECT_THAT(with("/global_pool", "max"), HasSubstr("global_pool: found \"max\", wanted \"avg\" or \"token\""));
  EXPECT_THAT(with("/model_args/global_pool", "token"), HasSubstr("global_pool: found \"avg\""));
  EXPECT_THAT(with("/pretrained_cfg/interpolation", "cubic\n"),
              HasSubstr("beit.config: pretrained_cfg: interpolation: found 'cubic?', wanted one of nearest"));
  EXPECT_THAT(with("/pass_order", "down"),
              HasSubstr("beit.config: pass_order: found 'down', wanted one of pillow_13, across_first"));
  EXPECT_THAT(with("/pretrained_cfg/std", json({0, 0, 0})),
              HasSubstr("pretrained_cfg: std: found [0,0,0], wanted numbers other than 0"));
  EXPECT_THAT(with("/label_names", json({{"0", "a"}, {"00", "b"}})), HasSubstr("found index \"00\""));
  EXPECT_THAT(with("/architecture", "vit_base_patch16_224"), HasSubstr("vit_base_patch16_224"));
  EXPECT_THAT(with("/label_names", json({"a", "b"})), HasSubstr("found 2 names, wanted 10"));
}

TEST(Load, ValuesOfTheWrongKindAreConfigErrors) {
  const ModelFile original = ModelFile::read("model_standard.safetensors");
  for (const char* pointer : {"/architecture", "/num_classes", "/global_pool", "/model_args", "/model_args/depth",
                              "/model_args/img_size", "/model_args/mlp_ratio", "/pretrained_cfg", "/pass_order",
                              "/pretrained_cfg/interpolation", "/pretrained_cfg/crop_pct", "/pretrained_cfg/crop_mode",
                              "/pretrained_cfg/mean", "/pretrained_cfg/std", "/label_names", "/label_descriptions"}) {
    for (const json& value :
         {json(-1), json("x"), json(true), json::array({1, 2}), json::array({nullptr}), json({{"a", "b"}})}) {
      ModelFile file = original;
      json config = file.config();
      config[json::json_pointer(pointer)] = value;
      file.set_config(config);
      const std::string text = error_of<beit::ConfigError>(file);
      EXPECT_THAT(text, testing::Not(HasSubstr("another type of error"))) << pointer << " " << value;
    }
  }
}

TEST(Load, LabelsMayHaveGaps) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config["label_names"] = {{"1", "one"}, {"9", "nine"}};
  config["label_descriptions"] = {{"nine", "the last"}};
  file.set_config(config);
  const std::vector<std::string> labels = load(file).config().labels;
  ASSERT_EQ(labels.size(), 10u);
  EXPECT_EQ(labels[0], "");
  EXPECT_EQ(labels[1], "one");
  EXPECT_EQ(labels[9], "the last");
}

TEST(Load, AThousandClassesOfImageNetHaveItsNames) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  file.reshape("head.weight", {1000, file.tensors.at("head.weight").shape[1]});
  file.reshape("head.bias", {1000});
  json config = file.config();
  for (const char* const key : {"label_names", "label_descriptions"}) config.erase(key);
  config["num_classes"] = config["model_args"]["num_classes"] = 1000;
  const std::string architecture = config["architecture"];
  const auto label_of = [&](const char* tag, const std::string& name) {
    config["pretrained_cfg"]["tag"] = tag;
    config["architecture"] = name;
    file.set_config(config);
    const std::vector<std::string> labels = load(file).config().labels;
    return labels.empty() ? "" : labels.at(999);
  };
  const std::string last = "toilet tissue, toilet paper, bathroom tissue";
  EXPECT_EQ(label_of("in22k_ft_in22k_in1k", architecture), last);
  EXPECT_EQ(label_of("in1k_ft_in22k_in1k", architecture), last);
  EXPECT_EQ(label_of("", architecture + ".in22k_ft_in1k"), last);
  EXPECT_EQ(label_of("in22k_ft_in22k", architecture), "");
  EXPECT_EQ(label_of("my_in1kish", architecture), "");
  config["label_names"] = json::array();
  for (int i = 0; i < 1000; ++i) config["label_names"].push_back(i);
  EXPECT_EQ(label_of("in22k_ft_in22k_in1k", architecture), "999");
}

TEST(Load, NamesOfClassesMayBeNumbers) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config["label_names"] = {0, 1, 2.5, 3, 4, 5, 6, 7, 8, "nine"};
  config["label_descriptions"] = {{"1", 11}};
  file.set_config(config);
  const std::vector<std::string> labels = load(file).config().labels;
  EXPECT_EQ(labels[0], "0");
  EXPECT_EQ(labels[1], "11");
  EXPECT_EQ(labels[2], "2.5");
  EXPECT_EQ(labels[9], "nine");
}

TEST(Load, MissingPreprocessingIsTimmsDefaults) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config["pretrained_cfg"] = {{"input_size", {3, 20, 20}}};
  file.set_config(config);
  const auto model = load(file);
  const beit::Preprocessing& found = model.config().preprocessing;
  EXPECT_EQ(found.crop_pct, 0.875);
  EXPECT_EQ(found.mean, (std::vector<float>{0.485f, 0.456f, 0.406f}));
  EXPECT_EQ(found.std, (std::vector<float>{0.229f, 0.224f, 0.225f}));
}

TEST(Load, OtherChannelsThanThreeHaveAsManyMeans) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  const auto load_with = [&](Index channels, const json& mean) {
    file.reshape("patch_embed.proj.weight", {24, channels, 4, 4});
    config["model_args"]["in_chans"] = channels;
    config["pretrained_cfg"]["mean"] = config["pretrained_cfg"]["std"] = mean;
    file.set_config(config);
    return load(file).config().preprocessing.mean;
  };
  EXPECT_EQ(load_with(1, {0.25}), std::vector<float>{0.25f})
      << "though input_size has 3 channels, as timm's older files";
  EXPECT_EQ(load_with(4, {0.25}), std::vector<float>(4, 0.25f));
  EXPECT_EQ(load_with(2, {0.25, 0.5}), (std::vector<float>{0.25f, 0.5f}));
  EXPECT_EQ(load_with(1, {0.25, 0.5, 0.75}).size(), 3u) << "those of the model that this one was made from";
  config["pretrained_cfg"]["mean"] = {1, 2};
  file.set_config(config);
  EXPECT_THAT(error_of<beit::ConfigError>(file), HasSubstr("mean: found [1,2], wanted 1 number"));
  config["model_args"].erase("in_chans");
  file.set_config(config);
  EXPECT_THAT(error_of<beit::ConfigError>(file), HasSubstr("input_size: found [3,20,20], wanted 1 channels"));
}

TEST(Load, TheFixedInputSizeIsTheModels) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config["pretrained_cfg"]["input_size"] = {3, 24, 24};
  config["pretrained_cfg"]["fixed_input_size"] = true;
  file.set_config(config);
  EXPECT_EQ(load(file).config().image_size, (beit::Size{20, 20}));
}

TEST(Load, ATrunkThatTransformersWrappedHasNoClasses) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  std::erase_if(file.tensors, [](const auto& tensor) { return tensor.first.starts_with("head."); });
  EXPECT_THAT(error_of<beit::ConfigError>(file), HasSubstr("num_classes: found 10, wanted 0"));
  json config = file.config();
  config["architectures"] = {"TimmWrapperModel"};
  file.set_config(config);
  const auto model = load(file);
  EXPECT_EQ(model.config().num_classes, 0);
  EXPECT_TRUE(model.config().labels.empty());
}

TEST(Load, Beit3HasItsEpsilonWithoutItsNorms) {
  ModelFile file = ModelFile::read("model_absolute.safetensors");
  json config = file.config();
  EXPECT_EQ(load(file).config().layer_norm_eps, 1e-6f);
  config["architecture"] = "beit3_base_patch16_224";
  file.set_config(config);
  EXPECT_EQ(load(file).config().layer_norm_eps, 1e-5f);
}

TEST(Load, MessagesNameTheFileAndItsNames) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  ModelFile prefixed;
  prefixed.metadata = file.metadata;
  for (const auto& [name, tensor] : file.tensors) prefixed.tensors["module." + name] = tensor;
  prefixed.tensors.erase("module.blocks.0.norm1.weight");
  EXPECT_THAT(error_of<beit::WeightError>(prefixed),
              HasSubstr("m.safetensors: module.blocks.0.norm1.weight: tensor is missing"));
  json config = file.config();
  config["model_args"]["depth"] = 3;
  file.set_config(config);
  EXPECT_THAT(error_of<beit::ConfigError>(file), HasSubstr("m.safetensors: blocks.1.norm1.weight)"));
}

TEST(Load, OlderConfigsOfTimmAreFlat) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  json flat = config["pretrained_cfg"];
  flat["architecture"] = config["architecture"];
  flat["num_classes"] = 10;
  flat["crop_pct"] = 0.75;
  flat["labels"] = config["label_names"];
  file.set_config(flat);
  const auto model = load(file);
  EXPECT_EQ(model.config().preprocessing.crop_pct, 0.75);
  EXPECT_EQ(model.config().labels[3], "class 3");
}

TEST(Load, ImageSizeThatTheTableContradicts) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  json config = file.config();
  config["model_args"]["img_size"] = 40;
  config["pretrained_cfg"]["input_size"] = {3, 40, 40};
  file.set_config(config);
  EXPECT_THAT(error_of<beit::WeightError>(file),
              HasSubstr("relative_position_bias_table: found shape (84, 3), wanted (364, 3)"));
}

TEST(Load, TensorsThatAreMissingExtraMisshapedOrNotFinite) {
  const ModelFile original = ModelFile::read("model_standard.safetensors");
  for (const auto& [name, entry] : original.tensors) {
    ModelFile file = original;
    file.tensors.erase(name);
    const std::string text = error_of<beit::Error>(file);
    EXPECT_THAT(text, testing::Not(HasSubstr("another type"))) << name;
    EXPECT_NE(text, "no error") << name;
  }
  ModelFile file = original;
  file.tensors.erase("blocks.1.mlp.fc2.bias");
  EXPECT_THAT(error_of<beit::WeightError>(file), HasSubstr("blocks.1.mlp.fc2.bias: tensor is missing"));
  file.reshape("blocks.0.mlp.fc1_g.weight", {48, 24});
  EXPECT_THAT(error_of<beit::WeightError>(file), HasSubstr("blocks.0.mlp.fc1_g.weight: found a gated MLP"));
  file = original;
  file.reshape("blocks.1.attn.proj.weight", {24, 23});
  EXPECT_THAT(error_of<beit::WeightError>(file),
              HasSubstr("blocks.1.attn.proj.weight: found shape (24, 23), wanted (24, 24)"));
  file = original;
  file.reshape("blocks.2.norm1.bias", {24});
  EXPECT_THAT(error_of<beit::WeightError>(file), HasSubstr("unexpected tensor: blocks.2.norm1.bias"));
  file = original;
  file.tensors["head.weight"].values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of<beit::WeightError>(file), AllOf(HasSubstr("head.weight"), HasSubstr("NaN")));
}

TEST(Load, RelativePositionIndexOfOlderCheckpointsIsIgnored) {
  ModelFile file = ModelFile::read("model_standard.safetensors");
  file.reshape("blocks.0.attn.relative_position_index", {26, 26});
  expect_same_logits(load(ModelFile::read("model_standard.safetensors")), load(file));
}

TEST(Load, PathsThatHoldNoModel) {
  const TemporaryFolder folder;
  EXPECT_THROW(beit::load<float>(folder.path()), beit::FileError) << "an empty folder";
  EXPECT_THROW(beit::load<float>(folder.path() / "none.safetensors"), beit::FileError);
  EXPECT_THROW(beit::load<float>(std::string(5000, 'x')), beit::FileError) << "a path longer than the system's";
  EXPECT_THROW(beit::load<float>(folder.write("text.safetensors", "hello")), beit::WeightError);
  folder.write("model.safetensors", ModelFile::read("model_standard.safetensors").bytes());
  folder.write("config.json", "{");
  EXPECT_NO_THROW(beit::load<float>(folder.path())) << "a converted file needs no config.json";
  ModelFile bare = ModelFile::read("model_standard.safetensors");
  bare.metadata.clear();
  folder.write("model.safetensors", bare.bytes());
  EXPECT_THROW(beit::load<float>(folder.path()), beit::ConfigError) << "config.json isn't JSON";
}

}  // namespace beit_test::load_test
