// Tests the preprocessing that a JSON file of its own describes.
#include <beit/model/preprocessing_file.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing.hpp"

namespace beit_test::preprocessing_file_test {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(PreprocessingFile, ReadsTransformersProcessors) {
  const json processor{{"image_processor_type", "CLIPImageProcessor"}, {"size", 30}, {"crop_size", 20}};
  for (const json& file : {processor, json{{"image_processor", processor}}}) {
    const beit::Preprocessing found = beit::preprocessing_from_json(file, "file");
    EXPECT_EQ(found.input_size, (beit::Size{20, 20}));
    EXPECT_EQ(found.resize_to, (beit::Size{30, 0}));
  }
}

TEST(PreprocessingFile, ReadsTimmsWithItsDefaults) {
  const json cfg{{"input_size", {3, 20, 24}}, {"mean", {0.5}}};
  for (const json& file : {cfg, json{{"pretrained_cfg", cfg}}}) {
    const beit::Preprocessing found = beit::preprocessing_from_json(file, "file");
    EXPECT_EQ(found.input_size, (beit::Size{20, 24}));
    EXPECT_EQ(found.crop_pct, 0.875);
    EXPECT_EQ(found.interpolation, beit::Interpolation::bicubic);
    EXPECT_THAT(found.mean, ElementsAre(0.5f, 0.5f, 0.5f));
    EXPECT_THAT(found.std, ElementsAre(0.229f, 0.224f, 0.225f));
  }
}

TEST(PreprocessingFile, HasTheOrderOfPassesWhereItsFieldsAre) {
  const json processor{{"image_processor_type", "ViTImageProcessor"}, {"pass_order", "across_first"}};
  const json cfg{{"input_size", {3, 20, 24}}, {"pass_order", "across_first"}};
  for (const json& file : {processor, json{{"image_processor", processor}}, cfg, json{{"pretrained_cfg", cfg}}}) {
    EXPECT_EQ(beit::preprocessing_from_json(file, "file").pass_order, beit::PassOrder::across_first) << file;
  }
}

TEST(PreprocessingFile, RefusesOthers) {
  const auto error = [](const json& file) {
    return message_of<beit::ConfigError>([&] { return beit::preprocessing_from_json(file, "file"); });
  };
  EXPECT_EQ(error({{"size", 224}}),
            "file: found no preprocessing, wanted image_processor_type (Hugging Face's) or input_size (timm's)");
  EXPECT_THAT(error(json::array()), HasSubstr("file: found [], wanted an object"));
  EXPECT_THAT(error({{"input_size", {1, 20, 24}}}), HasSubstr("input_size: found [1,20,24], wanted 3 channels"));
}

TEST(PreprocessingFile, NamesTheKeyAsTheFileSpellsIt) {
  const auto timm = [](const char* key, const json& value) {
    json cfg{{"input_size", {3, 20, 24}}};
    cfg[key] = value;
    return message_of<beit::ConfigError>([&] {
      return beit::preprocessing_from_json({{"pretrained_cfg", cfg}}, "file");
    });
  };
  EXPECT_EQ(timm("std", {0.5, 0, 0.5}), "file: pretrained_cfg: std: found [0.5,0,0.5], wanted numbers other than 0");
  EXPECT_EQ(timm("std", 1e-60), "file: pretrained_cfg: std: found 1e-60, wanted numbers other than 0");
  EXPECT_EQ(timm("mean", {0.5, 1e39, 0.5}),
            "file: pretrained_cfg: mean: found 1e+39, wanted a number within float's range");
  EXPECT_EQ(timm("crop_pct", 0), "file: pretrained_cfg: crop_pct: found 0, wanted a number greater than 0");
  EXPECT_EQ(timm("crop_pct", 1e9),
            "file: pretrained_cfg: crop_pct: found 1e+09, wanted less: images would be resized to nothing");
  EXPECT_EQ(timm("crop_pct", 1e-9),
            "file: pretrained_cfg: crop_pct: found 1e-09, wanted more: images would be resized beyond any limit");
  EXPECT_EQ(timm("input_size", {3, 0, 24}),
            "file: pretrained_cfg: input_size: found [3,0,24], wanted [channels, height, width], all at least 1");

  const auto transformers = [](const char* key, const json& value) {
    json processor{{"image_processor_type", "ViTImageProcessor"}, {"size", 20}};
    processor[key] = value;
    return message_of<beit::ConfigError>([&] {
      return beit::preprocessing_from_json({{"image_processor", processor}}, "file");
    });
  };
  EXPECT_EQ(transformers("image_std", {0.5, 0, 0.5}),
            "file: image_processor: image_std: found [0.5,0,0.5], wanted numbers other than 0");
  EXPECT_EQ(transformers("image_mean", 1e39),
            "file: image_processor: image_mean: found 1e+39, wanted a number within float's range");
  EXPECT_EQ(transformers("image_mean", {1, 2}), "file: image_processor: image_mean: found [1,2], wanted 3 numbers");
}

TEST(PreprocessingFile, TellsWhereItsSizeIs) {
  const auto where = [](const json& file) {
    std::string result;
    (void)beit::preprocessing_from_json(file, "file", &result);
    return result;
  };
  const json cfg{{"input_size", {3, 20, 24}}};
  EXPECT_EQ(where(cfg), "file: input_size");
  EXPECT_EQ(where({{"pretrained_cfg", cfg}}), "file: pretrained_cfg: input_size");
  json processor{{"image_processor_type", "ViTImageProcessor"}, {"size", 20}};
  EXPECT_EQ(where(processor), "file: size");
  processor["image_processor_type"] = "CLIPImageProcessor";
  EXPECT_EQ(where({{"image_processor", processor}}), "file: image_processor: crop_size");
}

}  // namespace beit_test::preprocessing_file_test
