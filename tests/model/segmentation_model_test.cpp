// Compares segmentation models with transformers' class in double precision, by both publishers' rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/model/load.hpp>
#include <beit/model/load_any.hpp>
#include <beit/model/name_tables.hpp>
#include <beit/model/segmentation_model.hpp>
#include <beit/model/weight_names.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../levels.hpp"
#include "testing.hpp"

namespace beit_test::segmentation_model_test {

using beit::Index;
using beit::Matrix;
using beit::SegmentationRule;
using beit::Size;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::filesystem::path model_folder() { return golden("segmentation") / "model"; }

/// The golden results.
class Expected {
 public:
  Matrix input() const {
    const auto values = reader_.get("input", reader_.shape("input"));
    return Matrix(Eigen::Map<const beit::RowMajorMatrix>(values.data(), 2, values.size() / 2));
  }
  /// The logits of both images by a rule, (2*h*w, K) as the model has them.
  Matrix logits(SegmentationRule rule) const {
    const std::string name = std::string(segmentation_rule_name(rule)) + ".logits";
    const std::vector<Index> shape = reader_.shape(name);  // (2, K, h, w)
    const auto values = reader_.get(name, shape);
    const Index classes = shape[1], pixels = shape[2] * shape[3];
    Matrix result(2 * pixels, classes);
    for (Index b = 0; b < 2; ++b) {
      result.map().middleRows(b * pixels, pixels) =
          Eigen::Map<const beit::RowMajorMatrix>(values.data() + b * classes * pixels, classes, pixels).transpose();
    }
    return result;
  }

 private:
  beit::SafeTensors file_ = beit::SafeTensors::open(golden("segmentation") / "expected.safetensors");
  beit::WeightReader reader_{file_};
};

double deviation(const Matrix& x) {
  const Eigen::ArrayXXd values = x.map().cast<double>();
  return std::sqrt((values - values.mean()).square().mean());
}

double cosine(const Matrix& a, const Matrix& b) {
  const Eigen::VectorXd x = a.map().cast<double>().reshaped(), y = b.map().cast<double>().reshaped();
  return x.dot(y) / (x.norm() * y.norm());
}

Matrix logits(const beit::AnySegmentationModel& model, const Matrix& x, SegmentationRule rule,
              beit::Workspace& workspace) {
  Matrix out(x.rows() * model.config().logits_size().area(), model.config().num_classes);
  model.forward(x, rule, workspace, out);
  return out;
}

/// The golden model as a file of ours in float32, with Microsoft's names if `microsoft`, and without configuration.
ModelFile converted(bool microsoft = false) {
  const auto file = beit::SafeTensors::open(model_folder() / "model.safetensors");
  const beit::WeightReader reader(file);
  const beit::TimmNames names(reader, beit::detail::transformers_file_names);
  ModelFile result;
  for (std::string name : names.names()) {
    if (name.ends_with("num_batches_tracked")) continue;
    const std::vector<Index> shape = names.shape(name);
    const auto values = names.get(name, shape);
    if (microsoft) {
      const bool beside = name.starts_with("decode_head.") || name.starts_with("auxiliary_head.");
      if (const std::size_t at = name.find(".classifier."); at != name.npos) name.replace(at, 11, ".conv_seg");
      if (!beside) name.insert(0, "backbone.");
    }
    result.tensors[name] = {shape, {values.data(), values.data() + values.size()}};
  }
  return result;
}

nlohmann::json timm_config() {
  return nlohmann::json::parse(R"({"architecture": "beit_base_patch16_224", "num_classes": 7, "model_args": {},
      "label_names": ["a", "b", "c", "d", "e", "f", "g"], "out_indices": [2, 3, 4, 5], "pool_scales": [1, 2, 3, 6],
      "palette": [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15], [16, 17, 18], [19, 20, 255]],
      "pretrained_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3]}})");
}

beit::SegmentationModel<float> load(const ModelFile& file, const beit::LoadOptions& options = {}) {
  const std::string bytes = file.bytes();
  return beit::load_segmentation_model<float>(beit::MemoryFiles{as_bytes(bytes), "made"}, options);
}

class Segmentation : public testing::TestWithParam<Case> {};

TEST_P(Segmentation, AgreesWithTransformersClassInDoublePrecision) {
  const auto model = beit::load_segmentation_model<float>(model_folder(), {.isa = std::get<1>(GetParam())});
  ASSERT_EQ(model.isa(), std::get<1>(GetParam()));
  const Expected expected;
  const SegmentationRule rule = beit::segmentation_rule_from_name(std::get<0>(GetParam()));
  const Matrix x = expected.input(), wanted = expected.logits(rule);
  beit::Workspace workspace;
  const Matrix found = logits(model, x, rule, workspace);
  EXPECT_LE(largest_difference(found, wanted), 1e-4 * deviation(wanted));
  EXPECT_GT(
      largest_difference(wanted, expected.logits(rule == SegmentationRule::microsoft ? SegmentationRule::transformers
                                                                                     : SegmentationRule::microsoft)),
      deviation(wanted))
      << "the rule makes no difference";

  beit::ThreadPool pool(3);
  beit::Workspace another(pool);
  const Index pixels = model.config().logits_size().area();
  for (Index b = 0; b < 2; ++b) {
    const Matrix one = logits(model, Matrix(x.map().row(b)), rule, another);
    EXPECT_EQ(one.map(), found.map().middleRows(b * pixels, pixels)) << "other bits for another batch or threads";
  }
}

INSTANTIATE_TEST_SUITE_P(, Segmentation, on_all("transformers", "microsoft"), case_name);

TEST(SegmentationModel, NumbersThatAreNotFiniteReachTheLogitsOnEveryLevel) {
  ModelFile file = converted();
  for (const char* name : {"blocks.0.mlp.fc2.bias", "blocks.0.gamma_2"}) {  // whose product is infinite
    for (float& x : file.tensors[name].values) x = 1e30f;
  }
  for (const beit::Isa isa : available_levels()) {
    const auto model = load(file, {.isa = isa});
    EXPECT_TRUE(std::isnan(model.forward(Expected().input())(0, 0))) << beit::isa_name(isa);
  }
}

TEST(SegmentationModel, RunsInEveryPrecision) {
  const Expected expected;
  const Matrix x = expected.input(), wanted = expected.logits(SegmentationRule::transformers);
  for (const auto& [precision, least] : {std::pair(beit::Precision::float32, 1 - 1e-9),
                                         {beit::Precision::float_fast, 1 - 1e-5},
                                         {beit::Precision::bfloat16, 0.9998},
                                         {beit::Precision::int8, 0.998}}) {
    const auto model = beit::load_any_segmentation_model(model_folder(), {.precision = precision});
    EXPECT_EQ(model->precision(), precision);
    EXPECT_GE(cosine(model->forward(x), wanted), least) << beit::precision_name(precision);
  }
}

TEST(SegmentationModel, FollowsItsPublisher) {
  const auto hugging_face = beit::load_segmentation_model<float>(model_folder());
  const beit::SegmentationConfig& config = hugging_face.config();
  EXPECT_EQ(config.rule, SegmentationRule::transformers);
  EXPECT_EQ(config.labels[3], "LABEL_3");
  EXPECT_EQ(config.palette, beit::default_palette(7));
  EXPECT_EQ(config.preprocessing.mean, (std::vector<float>{0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(config.preprocessing_for(SegmentationRule::microsoft).mean, (std::vector<float>{0.485f, 0.456f, 0.406f}));
  EXPECT_EQ(config.layer_norm_eps, 1e-12f);

  const auto microsoft = load(converted(true));
  EXPECT_EQ(microsoft.config().rule, SegmentationRule::microsoft);
  EXPECT_EQ(microsoft.config().out_indices, (std::array<Index, 4>{1, 2, 3, 5})) << "those of 12 blocks, halved";
  EXPECT_EQ(microsoft.config().preprocessing.mean, (std::vector<float>{0.485f, 0.456f, 0.406f}));
  EXPECT_EQ(microsoft.config().preprocessing_for(SegmentationRule::transformers).mean, config.preprocessing.mean);
  EXPECT_TRUE(microsoft.config().labels.empty());

  ModelFile file = converted();
  file.set_config(timm_config());
  const auto own = load(file);
  EXPECT_EQ(own.config().rule, SegmentationRule::microsoft);
  EXPECT_EQ(own.config().preprocessing_for(SegmentationRule::microsoft).mean, (std::vector<float>{0.4f, 0.5f, 0.6f}));
  EXPECT_EQ(own.config().labels[1], "b");
  EXPECT_EQ(own.config().palette[6], (beit::Colour{19, 20, 255}));
  const Expected expected;
  const Matrix wanted = expected.logits(SegmentationRule::microsoft);
  EXPECT_LE(largest_difference(own.forward(expected.input()), wanted), 1e-4 * deviation(wanted));
}

TEST(SegmentationModel, ReadsTheNamesOfMmsegmentation) {
  ModelFile file;
  for (auto& [name, tensor] : converted().tensors) {
    std::string theirs = name;
    const auto rename = [&](std::string_view from, std::string_view to) {
      if (theirs.starts_with(from)) theirs = std::string(to).append(theirs.substr(from.size()));
    };
    for (const beit::NameRow& row : beit::detail::mmpretrain_rows) {
      if (row.ours.empty()) continue;
      if (const auto found = beit::detail::renamed(name, row.ours, row.theirs[0])) {
        theirs = (row.beside ? "" : "backbone.") + *found;
        break;
      }
    }
    if (theirs == name && !name.starts_with("decode_head.") && !name.starts_with("auxiliary_head.")) {
      rename("", "backbone.");
    }
    file.tensors[theirs] = tensor;
  }
  ASSERT_TRUE(file.tensors.contains("neck.upsample_4x.1.running_var"));
  ASSERT_TRUE(file.tensors.contains("backbone.layers.0.ffn.layers.0.0.weight"));
  const Matrix x = Expected().input();
  EXPECT_EQ(load(file).forward(x).map(), load(converted(true)).forward(x).map());
}

TEST(SegmentationModel, LoadsOtherImageSizes) {
  const auto model = beit::load_segmentation_model<float>(model_folder(), {.image_size = {40, 16}});
  EXPECT_EQ(model.config().grid(), (Size{10, 4}));
  EXPECT_EQ(model.config().logits_size(), (Size{40, 16}));
  EXPECT_EQ(model.config().preprocessing_for(SegmentationRule::microsoft).input_size, (Size{40, 16}));
  const Matrix x(Eigen::MatrixXf::Constant(1, 3 * 40 * 16, 0.5f));
  EXPECT_EQ(model.forward(x).rows(), 640);
  EXPECT_THAT(
      [] {
        return beit::load_segmentation_model<float>(model_folder(), {.image_size = {32, 4}});
      },
      ThrowsMessage<beit::ConfigError>(HasSubstr("found a grid of 8x1 patches, wanted at least 2x2")));
}

TEST(SegmentationModel, ReadsFoldersOfOlderVersionsAndNamesRulesThatDontFit) {
  const auto model = beit::load_segmentation_model<float>(golden("hugging_face") / "segmentation");
  EXPECT_EQ(model.config().pool_scales, std::vector<Index>{1});
  beit::Workspace workspace;
  const Matrix x(Eigen::MatrixXf::Constant(1, 3 * 16 * 16, 0.5f));
  EXPECT_EQ(logits(model, x, SegmentationRule::transformers, workspace).cols(), 5);
  EXPECT_THAT([&] { return logits(model, x, SegmentationRule::microsoft, workspace); },
              ThrowsMessage<beit::ArgumentError>(
                  HasSubstr("found the rule microsoft, which reads block 5 of 4, wanted transformers")));
}

TEST(SegmentationModel, TakesLabels) {
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g"};
  EXPECT_EQ(beit::load_segmentation_model<float>(model_folder(), {.labels = names}).config().labels, names);
  EXPECT_THAT(
      [] { return beit::load_segmentation_model<float>(model_folder(), {.labels = {"a"}}); },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("load_segmentation_model: labels: found 1 names, wanted 7")));
}

TEST(SegmentationModel, WrongShapesAreErrors) {
  const auto model = beit::load_segmentation_model<float>(model_folder());
  beit::Workspace workspace;
  Matrix x(1, 3 * 32 * 32), out(1, 7);
  EXPECT_THAT([&] { model.forward(x, workspace, out); },
              ThrowsMessage<beit::ArgumentError>(HasSubstr("out: found shape (1, 7), wanted (1024, 7)")));
  EXPECT_THAT([&] { model.forward(out, workspace, out); }, ThrowsMessage<beit::ArgumentError>(HasSubstr("forward: x")));
}

TEST(SegmentationModel, ConfigurationsThatDontFitAreErrors) {
  const auto message = [](const char* key, const nlohmann::json& value) {
    ModelFile file = converted();
    nlohmann::json config = timm_config();
    config[key] = value;
    file.set_config(config);
    return message_of<beit::ConfigError>([&] { return load(file); });
  };
  EXPECT_THAT(message("out_indices", nullptr), HasSubstr("wanted a list of four blocks"));
  EXPECT_THAT(message("out_indices", {1, 2, 3}), HasSubstr("wanted a list of four blocks"));
  EXPECT_THAT(message("out_indices", {1, 3, 2, 4}), HasSubstr("ascending numbers from 1 to the depth 6"));
  EXPECT_THAT(message("out_indices", {3, 4, 5, 7}), HasSubstr("ascending numbers from 1 to the depth 6"));
  EXPECT_THAT(message("out_indices", {1, 2, 3, "x"}), HasSubstr("wanted an integer"));
  EXPECT_THAT(message("pool_scales", 3), HasSubstr("pool_scales: found 3, wanted a list of numbers"));
  EXPECT_THAT(message("pool_scales", {1, 2, 3, 65}), HasSubstr("numbers from 1 to 64"));
  EXPECT_THAT(message("pool_scales", {1, 2, 0, 6}), HasSubstr("numbers from 1 to 64"));
  EXPECT_THAT(message("palette", {{1, 2, 3}}), HasSubstr("wanted a colour for each of the 7 classes"));
  EXPECT_THAT(message("palette", std::vector<int>(7, 1)), HasSubstr("wanted [red, green, blue]"));
  EXPECT_THAT(message("palette", std::vector<std::vector<int>>(7, {1, 2, 256})), HasSubstr("an integer from 0 to 255"));
  EXPECT_THAT(message("label_names", {"a"}), HasSubstr("label_names: found 1 names, wanted 7"));
}

TEST(SegmentationModel, TensorsThatDontFitAreErrors) {
  const auto message = [](const auto& change) {
    ModelFile file = converted();
    file.set_config(timm_config());
    change(file);
    return message_of<beit::WeightError>([&] { return load(file); });
  };
  EXPECT_THAT(message([](ModelFile& file) { file.tensors.erase("fpn1.3.weight"); }),
              HasSubstr("made: fpn1.3.weight: tensor is missing"));
  EXPECT_THAT(message([](ModelFile& file) { file.tensors.erase("decode_head.bottleneck.bn.running_var"); }),
              HasSubstr("made: decode_head.bottleneck.bn.running_var: tensor is missing"));
  EXPECT_THAT(message([](ModelFile& file) { file.tensors.erase("decode_head.classifier.weight"); }),
              HasSubstr("decode_head.conv_seg.weight: tensor is missing"));  // as Microsoft calls it
  EXPECT_THAT(message([](ModelFile& file) {
                file.reshape("decode_head.classifier.weight", {7, 12});
              }),
              HasSubstr("found shape (7, 12), wanted 4 dimensions"));
  EXPECT_THAT(message([](ModelFile& file) {
                file.reshape("decode_head.fpn_convs.1.conv.weight", {12, 12, 1, 1});
              }),
              HasSubstr("found shape (12, 12, 1, 1), wanted (12, 12, 3, 3)"));
  EXPECT_THAT(message([](ModelFile& file) { file.reshape("decode_head.more.weight", {1}); }),
              HasSubstr("1 unexpected tensor: decode_head.more.weight"));
  ModelFile five = converted();
  nlohmann::json config = timm_config();
  config["pool_scales"] = {1, 2, 3};
  five.set_config(config);
  EXPECT_THAT([&] { return load(five); }, ThrowsMessage<beit::WeightError>(HasSubstr("decode_head.bottleneck")));
}

TEST(SegmentationModel, HasAde20ksNamesWhereTheFileHasNone) {
  ModelFile file = converted(true);
  file.reshape("decode_head.conv_seg.weight", {150, 12, 1, 1});
  file.reshape("decode_head.conv_seg.bias", {150});
  const auto model = load(file);
  EXPECT_EQ(model.config().labels.front(), "wall");
  EXPECT_EQ(model.config().labels.back(), "flag");
  EXPECT_EQ(model.config().palette[2], (beit::Colour{6, 230, 230}));
}

}  // namespace beit_test::segmentation_model_test
