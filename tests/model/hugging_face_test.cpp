// Compares models from folders of Hugging Face's transformers with transformers in double precision, and tests the
// errors of broken folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/classify.hpp>
#include <beit/model/config_reader.hpp>
#include <beit/model/config_writer.hpp>
#include <beit/model/json_field.hpp>
#include <beit/model/load.hpp>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "testing.hpp"

namespace beit_test::hugging_face_test {

using beit::Index;
using beit::Matrix;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path variant(const std::string& name) { return golden("hugging_face") / name; }

/// A copy of a golden folder, or an empty one, which is removed after the test.
class Copy : public TemporaryFolder {
 public:
  explicit Copy(const std::string& name = "") {
    if (!name.empty()) std::filesystem::copy(variant(name), path());
  }
  void edit(const std::string& name, const std::function<void(json&)>& change) const {
    json value = json::parse(std::ifstream(path() / name));
    change(value);
    write(name, value.dump());
  }
  /// The message of the error that loading gives.
  template <typename ErrorType>
  std::string error() const {
    return message_of<ErrorType>([&] { return beit::load<float>(path()); });
  }
};

class GoldenHuggingFace : public testing::TestWithParam<const char*> {};

TEST_P(GoldenHuggingFace, AgreesWithTransformersInDoublePrecision) {
  const std::string name = GetParam();
  const beit::LoadOptions options{.features_only = name == "segmentation"};
  const auto model = beit::load<float>(variant(name), options);
  const auto file = beit::SafeTensors::open(golden("hugging_face") / (name + ".expected.safetensors"));
  const beit::WeightReader reader(file);
  const Index batch = reader.shape("input")[0];
  const Matrix x = expected(reader, "input", batch);
  constexpr double tolerance = 1e-5;  // values are of order 1; float rounding through 2 or 4 blocks

  const Matrix tokens = model.forward_features(x);
  const Matrix last = model.forward_intermediates(x, {.last = 1, .norm = true}).features;
  // Trunks with a norm after pooling have none before it, as in transformers.
  EXPECT_LE(largest_difference(tokens, expected(reader, "features", batch * model.config().num_tokens())), tolerance);
  EXPECT_LE(largest_difference(last, tokens), 0.0);
  if (reader.has("pre_logits")) {
    EXPECT_LE(largest_difference(model.forward_head(tokens, beit::HeadOutput::pre_logits),
                                 expected(reader, "pre_logits", batch)),
              tolerance);
  } else {
    EXPECT_TRUE(name == "segmentation" || name == "data2vec_bare") << "trunks without a pooler";
    EXPECT_EQ(model.config().global_pool, beit::GlobalPool::avg) << "what use_mean_pooling says";
  }
  EXPECT_EQ(model.config().num_classes > 0, reader.has("logits"));
  if (reader.has("logits")) {
    EXPECT_LE(largest_difference(model.forward(x), expected(reader, "logits", batch)), tolerance);
    EXPECT_EQ(model.config().labels[3], "LABEL_3");
  } else {
    EXPECT_TRUE(model.config().labels.empty());
  }

  const std::vector<Index> shape = reader.shape("photograph");
  const beit::AlignedBuffer<float> values = reader.get("photograph", shape);
  std::vector<std::uint8_t> pixels(values.data(), values.data() + values.size());
  const std::vector<beit::ImageView> images{{pixels.data(), shape[0], shape[1], 3, 3 * shape[1]}};
  beit::Workspace workspace;
  const Matrix made = beit::preprocess(model.config(), images, workspace);
  const Matrix wanted = expected(reader, "preprocessed", 1);
  ASSERT_EQ(made.size(), wanted.size());
  EXPECT_EQ(std::memcmp(made.data(), wanted.data(), static_cast<std::size_t>(made.size()) * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(, GoldenHuggingFace,
                         testing::Values("classifier", "sharded", "shared", "absolute", "data2vec", "data2vec_bare",
                                         "segmentation"),
                         [](const auto& test) { return test.param; });

TEST(HuggingFace, HasItsOwnEpsilon) {
  EXPECT_EQ(beit::load<float>(variant("classifier")).config().layer_norm_eps, 1e-12f);
  EXPECT_EQ(beit::load<float>(variant("sharded")).config().layer_norm_eps, 0.05f);
}

TEST(HuggingFace, IndexIsAPathToo) {
  const auto model = beit::load<float>(variant("sharded") / "model.safetensors.index.json");
  EXPECT_EQ(model.config().layer_norm_eps, 0.05f) << "config.json beside it";
}

TEST(HuggingFace, HeadsThatAreNotHereSayHowToGetFeatures) {
  const Copy folder("segmentation");
  EXPECT_THAT(folder.error<beit::WeightError>(),
              AllOf(HasSubstr("found a segmentation model"), HasSubstr("LoadOptions::features_only")));
}

TEST(HuggingFace, ConfigsThatContradictTheWeightsAreErrors) {
  const auto error = [](const char* key, const json& value, const char* file = "config.json") {
    const Copy folder("classifier");
    folder.edit(file, [&](json& config) { config[key] = value; });
    return folder.error<beit::ConfigError>();
  };
  EXPECT_THAT(error("model_type", "vit"), AllOf(HasSubstr("model_type: found \"vit\""), HasSubstr("data2vec-vision")));
  EXPECT_THAT(error("num_attention_heads", 4), HasSubstr("found 4, wanted 3 as the weights have it"));
  EXPECT_THAT(error("num_hidden_layers", 3), HasSubstr("found 3, wanted 2"));
  EXPECT_THAT(error("hidden_act", "relu"), HasSubstr("found \"relu\", wanted \"gelu\""));
  EXPECT_THAT(error("layer_norm_eps", -1), HasSubstr("layer_norm_eps"));
  EXPECT_THAT(error("layer_norm_eps", "0"), HasSubstr("wanted a number"));
  EXPECT_THAT(error("patch_size", 8), HasSubstr("wanted 4x4"));
  EXPECT_THAT(error("use_relative_position_bias", false), HasSubstr("wanted true"));
  EXPECT_THAT(error("layer_scale_init_value", 0), HasSubstr("lambda_1"));
  EXPECT_THAT(error("id2label", {{"0", "a"}}), HasSubstr("wanted a name for each of the 5 classes"));
  EXPECT_THAT(error("id2label", {{"0", "a"}, {"1", "a"}, {"2", "a"}, {"3", "a"}, {"5", "a"}}),
              HasSubstr("wanted a name for class 4"));
  EXPECT_THAT(error("problem_type", "ranking"), HasSubstr("problem_type: found \"ranking\", wanted \"regression\""));
  const char* const processor = "preprocessor_config.json";
  EXPECT_THAT(error("do_resize", false, processor), HasSubstr("do_resize: found false"));
  EXPECT_THAT(error("resample", 6, processor), HasSubstr("wanted Pillow's number of a filter"));
  EXPECT_THAT(error("size", {{"shortest_edge", 16}}, processor),
              HasSubstr("size: found a shorter edge without do_center_crop, wanted do_center_crop"));
  EXPECT_THAT(error("size", {{"longest_edge", 16}}, processor), HasSubstr("wanted a number, height and width, or"));
  EXPECT_THAT(error("size", 20, processor),
              HasSubstr("preprocessor_config.json: size: found 20x20, wanted 16x16, the model's image_size"));
  EXPECT_THAT(error("size", 0, processor), HasSubstr("size: found 0, wanted sides of at least 1"));
  EXPECT_THAT(error("size", nullptr, processor), HasSubstr("size: found null, wanted"));
  EXPECT_THAT(error("use_mean_pooling", false), AllOf(HasSubstr("wanted true as the weights have it ("),
                                                      HasSubstr("model.safetensors: beit.pooler.layernorm.weight)")));
  EXPECT_THAT(error("image_std", {1, 0, 1}, processor), HasSubstr("image_std: found [1,0,1], wanted numbers"));
  EXPECT_THAT(error("size", 16, processor), HasSubstr("no error")) << "the older form";
}

TEST(HuggingFace, TheProblemTypeChoosesTheScores) {
  using enum beit::ScoreFunction;
  const auto function = [](const json& problem, Index classes) {
    ModelFile file = ModelFile::read("hugging_face/classifier/model.safetensors");
    file.reshape("classifier.weight", {classes, 24});
    file.reshape("classifier.bias", {classes});
    const Copy folder("classifier");
    folder.write("model.safetensors", file.bytes());
    folder.edit("config.json", [&](json& config) {
      config.erase("id2label");
      config["problem_type"] = problem;
    });
    const auto model = beit::load<float>(folder.path());
    beit::Config config;
    config.score_function = model.config().score_function;
    const json written = json::parse(beit::config_json(config).dump());
    const std::string where = "written";
    const beit::detail::JsonField field(written, where);
    EXPECT_EQ(beit::detail::read_score_function(field["problem_type"], 5), config.score_function);
    return config.score_function;
  };
  EXPECT_EQ(function(nullptr, 5), softmax);
  EXPECT_EQ(function("single_label_classification", 5), softmax);
  EXPECT_EQ(function("multi_label_classification", 5), sigmoid);
  EXPECT_EQ(function("regression", 5), identity);
  EXPECT_EQ(function(nullptr, 1), sigmoid);
  EXPECT_EQ(function("single_label_classification", 1), sigmoid);
  EXPECT_EQ(function("regression", 1), identity);
}

TEST(HuggingFace, WithoutItsConfigurationShapesDecide) {
  const Copy folder("classifier");
  std::filesystem::remove(folder.path() / "config.json");
  EXPECT_EQ(beit::load<float>(folder.path()).config().num_heads, 3);
  const Copy other("absolute");
  std::filesystem::remove(other.path() / "config.json");
  EXPECT_THAT(other.error<beit::ConfigError>(), HasSubstr("found no num_attention_heads"));
}

TEST(HuggingFace, WithoutAnImageProcessorTheCallerGivesThePreprocessing) {
  const Copy folder("classifier");
  std::filesystem::remove(folder.path() / "preprocessor_config.json");
  EXPECT_THAT(folder.error<beit::ConfigError>(),
              AllOf(HasSubstr(folder.path().filename().string()),
                    HasSubstr("found neither preprocessor_config.json nor image_processor in processor_config.json, "
                              "wanted one of them beside the weights, or LoadOptions::preprocessing")));
  const beit::LoadOptions options{.preprocessing = beit::Preprocessing{.input_size = {16, 16}, .crop_pct = 0.5}};
  EXPECT_EQ(beit::load<float>(folder.path(), options).config().preprocessing.crop_pct, 0.5);
  folder.write("preprocessor_config.json", R"({"image_processor_type": "SamImageProcessor"})");
  EXPECT_THAT(folder.error<beit::ConfigError>(), HasSubstr("found \"SamImageProcessor\""));
  EXPECT_EQ(beit::load<float>(folder.path(), options).config().preprocessing.crop_pct, 0.5);
}

TEST(HuggingFace, TheProcessorsFileGoesBeforeThePreprocessors) {
  const Copy folder("classifier");
  const auto filter = [&] { return beit::load<float>(folder.path()).config().preprocessing.interpolation; };
  EXPECT_EQ(filter(), beit::Interpolation::bilinear);
  folder.write("processor_config.json", R"({"processor_class": "Other"})");
  EXPECT_EQ(filter(), beit::Interpolation::bilinear);
  folder.write("processor_config.json", R"({"image_processor": {"size": 16, "resample": 5}})");
  EXPECT_EQ(filter(), beit::Interpolation::hamming);
  folder.edit("config.json", [](json& config) { config["image_processor_type"] = "ViTImageProcessor"; });
  folder.write("processor_config.json", R"({"image_processor": {"size": 16}})");
  EXPECT_EQ(filter(), beit::Interpolation::bilinear) << "the class that config.json names";
  folder.write("processor_config.json", R"({"image_processor": {"size": 17}})");
  EXPECT_THAT(folder.error<beit::ConfigError>(),
              HasSubstr("processor_config.json: image_processor: size: found 17x17"));
}

TEST(HuggingFace, MessagesNameTheFileAndItsNames) {
  const ModelFile plain = ModelFile::read("hugging_face/classifier/model.safetensors");
  const auto error = [&](const std::string& name, std::vector<Index> shape) {
    ModelFile file = plain;
    file.tensors.erase(name);
    if (!shape.empty()) file.reshape(name, std::move(shape));
    const Copy folder("classifier");
    folder.write("model.safetensors", file.bytes());
    return message_of<beit::WeightError>([&] { return beit::load<float>(folder.path()); });
  };
  const std::string layer = "beit.encoder.layer.0.";
  EXPECT_THAT(error(layer + "layernorm_before.weight", {}),
              HasSubstr("model.safetensors: beit.encoder.layer.0.layernorm_before.weight: tensor is missing"));
  EXPECT_THAT(
      error(layer + "intermediate.dense.weight", {48}),
      HasSubstr("model.safetensors: beit.encoder.layer.0.intermediate.dense.weight: found shape (48,), wanted 2"));
  EXPECT_THAT(error(layer + "output.dense.weight", {24, 47}),
              HasSubstr("model.safetensors: beit.encoder.layer.0.output.dense.weight: found shape (24, 47), wanted"));
  EXPECT_THAT(error("classifier.bias", {}), HasSubstr("model.safetensors: classifier.bias: tensor is missing"));
}

TEST(HuggingFace, NamesUnderAPrefixAndBuffersAreRead) {
  const ModelFile plain = ModelFile::read("hugging_face/data2vec/model.safetensors");
  const json config = json::parse(std::ifstream(variant("data2vec") / "config.json"));
  ModelFile file;
  for (const auto& [name, tensor] : plain.tensors) file.tensors["module." + name] = tensor;
  file.reshape(
      "module.data2vec_vision.encoder.layer.0.attention.attention.relative_position_bias."
      "relative_position_index",
      {17, 17});
  const Copy folder;
  folder.write("model.safetensors", file.bytes());
  folder.write("config.json", config.dump());
  std::filesystem::copy(variant("data2vec") / "preprocessor_config.json", folder.path());
  const auto model = beit::load<float>(folder.path());
  const auto same = beit::load<float>(variant("data2vec"));
  Matrix x(1, 3 * 16 * 16);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 7) - 3;
  EXPECT_LE(largest_difference(model.forward(x), same.forward(x)), 0.0);

  file.reshape("module.data2vec_vision.encoder.layer.1.attention.attention.key.weight", {24, 23});
  folder.write("model.safetensors", file.bytes());
  EXPECT_THAT(folder.error<beit::WeightError>(),
              HasSubstr("encoder.layer.1.attention.attention.key.weight: found shape (24, 23), wanted (24, 24)"));
}

TEST(TimmNames, AreReadUnderAPrefixToo) {
  const ModelFile plain = ModelFile::read("model_standard.safetensors");
  const auto same = beit::load<float>(golden("model_standard.safetensors"));
  Matrix x(1, 3 * 20 * 20);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 7) - 3;
  for (const std::string prefix : {"model.", "module.", "backbone.", "module.model."}) {
    ModelFile file;
    file.metadata = plain.metadata;
    for (const auto& [name, tensor] : plain.tensors) file.tensors[prefix + name] = tensor;
    const std::string bytes = file.bytes();
    const auto model = beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "prefixed"});
    EXPECT_LE(largest_difference(model.forward(x), same.forward(x)), 0.0) << prefix;
  }
  // The head stands beside the trunk.
  ModelFile file;
  file.metadata = plain.metadata;
  for (const auto& [name, tensor] : plain.tensors)
    file.tensors[(name.starts_with("head.") ? "" : "backbone.") + name] = tensor;
  const std::string bytes = file.bytes();
  EXPECT_LE(largest_difference(beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "m"}).forward(x), same.forward(x)),
            0.0);
}

TEST(TimmNames, FeaturesOnlyLeavesTheClassifierOut) {
  const ModelFile plain = ModelFile::read("model_standard.safetensors");
  for (const std::string prefix : {"", "module."}) {
    ModelFile file;
    file.metadata = plain.metadata;
    for (const auto& [name, tensor] : plain.tensors) file.tensors[prefix + name] = tensor;
    const std::string bytes = file.bytes();
    const auto model = beit::load<float>(beit::MemoryFiles{as_bytes(bytes), "m"}, {.features_only = true});
    EXPECT_EQ(model.num_outputs(), model.config().embed_dim) << prefix;
  }
}

TEST(HuggingFace, AMaskTokenIsNoPartOfAClassifier) {
  ModelFile file = ModelFile::read("hugging_face/classifier/model.safetensors");
  file.reshape("beit.embeddings.mask_token", {1, 1, 24});
  const Copy folder("classifier");
  folder.write("model.safetensors", file.bytes());
  Matrix x(1, 3 * 16 * 16);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = static_cast<float>(i % 7) - 3;
  EXPECT_LE(largest_difference(beit::load<float>(folder.path()).forward(x),
                               beit::load<float>(variant("classifier")).forward(x)),
            0.0);
}

TEST(WeightFiles, BrokenIndexesAreErrors) {
  const auto error = [](const std::function<void(json&)>& change) {
    const Copy folder("sharded");
    folder.edit("model.safetensors.index.json", change);
    return folder.error<beit::Error>();
  };
  EXPECT_THAT(error([](json& j) { j.erase("weight_map"); }), HasSubstr("found no weight_map"));
  EXPECT_THAT(
      error([](json& j) { j["weight_map"] = json::object(); }),
      HasSubstr("model.safetensors.index.json: weight_map: found {}, wanted an object from at least one tensor"));
  EXPECT_THAT(error([](json& j) { j["weight_map"] = "none"; }), HasSubstr("weight_map: found \"none\", wanted"));
  EXPECT_THAT(error([](json& j) { j["weight_map"]["classifier.bias"] = "../x.safetensors"; }),
              HasSubstr("weight_map: classifier.bias: found \"../x.safetensors\", wanted the name of a .safetensors"));
  EXPECT_THAT(error([](json& j) { j["weight_map"]["classifier.bias"] = 3; }), HasSubstr("found 3, wanted the name"));
  EXPECT_THAT(error([](json& j) { j["weight_map"]["extra"] = "model-00001-of-00003.safetensors"; }),
              HasSubstr("extra: tensor is missing, though the index says that it is here"));
  const Copy folder("sharded");
  std::filesystem::remove(folder.path() / "model-00002-of-00003.safetensors");
  EXPECT_THAT(folder.error<beit::FileError>(), HasSubstr("model-00002-of-00003.safetensors"));
  std::filesystem::copy(folder.path() / "model-00001-of-00003.safetensors",
                        folder.path() / "model-00002-of-00003.safetensors");
  folder.edit("model.safetensors.index.json", [](json& j) {
    for (json& file : j["weight_map"]) {
      if (file == "model-00002-of-00003.safetensors") file = "model-00001-of-00003.safetensors";
    }
    j["weight_map"] = {{"beit.embeddings.cls_token", "model-00001-of-00003.safetensors"}};
    j["weight_map"]["beit.embeddings.patch_embeddings.projection.bias"] = "model-00002-of-00003.safetensors";
  });
  EXPECT_THAT(folder.error<beit::WeightError>(), HasSubstr("found in two shards, wanted in one"));
}

TEST(WeightFiles, SayWhatIsNotAWeightsFile) {
  const auto error = [](const std::string& text) {
    const Copy folder;
    folder.write("model.safetensors", text);
    return folder.error<beit::WeightError>();
  };
  EXPECT_THAT(error("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
              HasSubstr("this is a Git LFS pointer, not the file: run git lfs pull"));
  EXPECT_THAT(error("\n <!DOCTYPE html><html></html>"), HasSubstr("this is a web page"));
  EXPECT_THAT(error("<HTML lang=\"en\">"), HasSubstr("this is a web page"));
  EXPECT_THAT(error(std::string("GGUF\3\0\0\0", 8)), HasSubstr("this is a GGUF file"));
  EXPECT_THAT(error(std::string("\x08\x07\x12\x07pytorch", 11)), HasSubstr("this is an ONNX file"));
  EXPECT_THAT(error(std::string("PK\3\4\0\0\0\0", 8)), HasSubstr("convert it with weights_tools/convert.py"));
  EXPECT_THAT(error(""), HasSubstr("found 0 bytes"));
  const Copy half;
  half.write("model.fp16.safetensors", "");
  half.write("another.safetensors", "");
  EXPECT_THAT(half.error<beit::FileError>(),
              HasSubstr(": found another.safetensors, model.fp16.safetensors, wanted model.safetensors: rename the"));
  const Copy folder;
  folder.write("pytorch_model.bin", "PK");
  EXPECT_THAT(folder.error<beit::FileError>(),
              AllOf(HasSubstr("found pytorch_model.bin only"), HasSubstr("weights_tools/convert.py")));
}

}  // namespace beit_test::hugging_face_test
