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

}  // namespace beit_test::preprocessing_file_test
