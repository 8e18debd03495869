// Compares preprocessing by the files of transformers' image processors with transformers itself, and tests their
// errors.
#include <beit/model/image_processor.hpp>

#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/image/transform.hpp>

#include "../image/golden.hpp"
#include "testing.hpp"

namespace beit_test::image_processor_test {

using beit::Index;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

beit::Preprocessing read(const json& processor, beit::Size wanted = {}) {
  const std::string where = "file";
  const beit::detail::JsonField field(processor, where);
  return beit::detail::ImageProcessorReader(field, field.missing()).read(3, wanted);
}

/// The picture of weights_tools/golden_processors.py, RGB.
std::vector<std::uint8_t> picture(Index height, Index width) {
  std::vector<std::uint8_t> pixels;
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      for (Index c = 0; c < 3; ++c) {
        pixels.push_back(static_cast<std::uint8_t>(x * x * 3 + y * 7 * (c + 1) + x * y / 8 + 40 * c));
      }
    }
  }
  return pixels;
}

TEST(ImageProcessor, GivesTheNumbersOfTransformersOrAnError) {
  const json rows = json::parse(std::ifstream(golden("hugging_face") / "processors.json"));
  ASSERT_GT(rows.size(), 100u);
  for (const json& row : rows) {
    SCOPED_TRACE(row.dump());
    if (row.contains("error")) {
      EXPECT_THROW(read(row["processor"]), beit::ConfigError);
      continue;
    }
    const beit::Preprocessing config = read(row["processor"]);
    const beit::Size size{row["size"][0], row["size"][1]};
    EXPECT_EQ(config.input_size, size);
    const Index height = row["picture"][0], width = row["picture"][1];
    const std::vector<std::uint8_t> pixels = picture(height, width);
    std::vector<float> out(static_cast<std::size_t>(3 * config.input_size.area()));
    beit::preprocess(config, beit::ImageView{pixels.data(), height, width, 3, 3 * width}, out);
    EXPECT_EQ(crc32(out.data(), out.size() * sizeof(float)), row["crc32"].get<std::uint32_t>());
  }
}

TEST(ImageProcessor, RefusesWhatItCannotCompute) {
  const auto error = [](const json& processor) {
    return message_of<beit::ConfigError>([&] { return read(processor); });
  };
  EXPECT_THAT(error({{"image_processor_type", "DPTImageProcessor"}}),
              AllOf(HasSubstr("file: image_processor_type: found \"DPTImageProcessor\", wanted a processor of known "
                              "arithmetic: BeitImageProcessor, ViTImageProcessor"),
                    HasSubstr(", EfficientNetImageProcessor")));
  for (const char* name : {"", "ImageProcessor", "Fast", "ViT ImageProcessor", "vitImageProcessor"}) {
    EXPECT_THAT(error({{"image_processor_type", name}}), HasSubstr("of known arithmetic"));
  }
  EXPECT_THAT(error({{"image_processor_type", 3}}), HasSubstr("found 3, wanted a string"));
  const auto efficient = [&](json more) {
    more["image_processor_type"] = "EfficientNetImageProcessor";
    return error(more);
  };
  EXPECT_THAT(efficient({}), HasSubstr("include_top: found true (the default of EfficientNetImageProcessor), wanted "
                                       "false: images that are divided by image_std a second time"));
  EXPECT_THAT(efficient({{"include_top", true}}), HasSubstr("include_top: found true, wanted false"));
  EXPECT_THAT(efficient({{"include_top", false}, {"rescale_offset", true}}), HasSubstr("rescale_offset: found true"));
  EXPECT_THAT(error({{"do_pad", true}}), HasSubstr("do_pad: found true, wanted false"));
  EXPECT_THAT(error({{"do_resize", nullptr}}), HasSubstr("do_resize: found null, wanted true"));
  EXPECT_THAT(error({{"do_rescale", 1}}), HasSubstr("do_rescale: found 1, wanted true or false"));
  EXPECT_THAT(error({{"image_mean", {1, 2}}}), HasSubstr("image_mean: found [1,2], wanted 3 numbers"));
  EXPECT_THAT(error({{"image_processor_type", "CLIPImageProcessor"}, {"do_center_crop", false}}),
              HasSubstr("size: found a shorter edge without do_center_crop (the default of CLIPImageProcessor)"));
  EXPECT_THAT(error({{"image_processor_type", "ViTImageProcessor"}, {"do_center_crop", true}}),
              HasSubstr("crop_size: found nothing (the default of ViTImageProcessor), wanted the size of the crop"));
}

TEST(ImageProcessor, NamesTheKeyOfAnotherSizeThanTheModels) {
  const auto error = [](const json& processor) {
    return message_of<beit::ConfigError>([&] { return read(processor, {384, 384}); });
  };
  EXPECT_EQ(error({{"size", 384}}), "no error");
  EXPECT_EQ(error({{"size", 256}}), "file: size: found 256x256, wanted 384x384, the model's image_size");
  EXPECT_EQ(error(json::object()),
            "file: size: found 224x224 (the default of BeitImageProcessor), wanted 384x384, the model's image_size");
  EXPECT_EQ(error({{"do_center_crop", true}, {"size", 384}}),
            "file: crop_size: found 224x224 (the default of BeitImageProcessor), wanted 384x384, the model's "
            "image_size");
}

}  // namespace beit_test::image_processor_test
