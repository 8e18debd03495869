// Tests the configuration of segmentation models: rules, colours and what can't be.
#include "beit/model/segmentation_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "../testing.hpp"

namespace beit_test::segmentation_config_test {

using beit::Colour;
using beit::Index;
using beit::SegmentationConfig;
using beit::SegmentationRule;
using testing::HasSubstr;

SegmentationConfig published() {
  SegmentationConfig config;
  config.image_size = config.preprocessing.input_size = {640, 640};
  return config;
}

TEST(SegmentationConfig, BlocksDependOnTheRule) {
  const SegmentationConfig config = published();
  EXPECT_EQ(config.blocks(SegmentationRule::transformers), (std::array<Index, 4>{2, 4, 6, 10}));
  EXPECT_EQ(config.blocks(SegmentationRule::microsoft), (std::array<Index, 4>{4, 6, 8, 12}));
  EXPECT_EQ(config.logits_size(), (beit::Size{160, 160}));
  EXPECT_NO_THROW(config.check());
}

TEST(SegmentationConfig, ItsOwnRuleNeedsItsBlocks) {
  SegmentationConfig config = published();
  config.out_indices[3] = 12;
  EXPECT_TRUE(config.has_blocks(SegmentationRule::transformers));
  EXPECT_FALSE(config.has_blocks(SegmentationRule::microsoft));
  EXPECT_NO_THROW(config.check());
  config.rule = SegmentationRule::microsoft;
  EXPECT_EQ(message_of<beit::ConfigError>([&] {
              config.check();
              return 0;
            }),
            "config: found the rule microsoft, which reads block 13 of 12, wanted transformers");
}

TEST(SegmentationConfig, RulesHaveNames) {
  for (const SegmentationRule rule : beit::segmentation_rules) {
    EXPECT_EQ(beit::segmentation_rule_from_name(segmentation_rule_name(rule)), rule);
  }
  EXPECT_EQ(message_of<beit::ArgumentError>([] { return beit::segmentation_rule_from_name("google"); }),
            "segmentation rule: found 'google', wanted one of transformers, microsoft");
}

TEST(SegmentationConfig, PalettesHaveDifferentColours) {
  const std::vector<Colour> first = beit::default_palette(4);
  EXPECT_EQ(first, (std::vector<Colour>{{0, 0, 0}, {128, 0, 0}, {0, 128, 0}, {128, 128, 0}})) << "PASCAL VOC's";
  const std::vector<Colour> many = beit::default_palette(1000);
  EXPECT_EQ(std::set<Colour>(many.begin(), many.end()).size(), 1000u);
  EXPECT_EQ(beit::default_palette(150)[149], (Colour{92, 0, 255})) << "ADE20K's";
}

TEST(SegmentationConfig, AdeHas150DifferentNames) {
  std::set<std::string_view> names;
  for (const beit::detail::AdeClass& known : beit::detail::ade20k_classes) names.insert(known.name);
  EXPECT_EQ(names.size(), 150u);
  EXPECT_EQ(beit::detail::ade20k_classes[12].name, "person");
}

TEST(SegmentationConfig, ImpossibleOnesAreErrors) {
  const auto message = [](const auto& change) {
    SegmentationConfig config = published();
    change(config);
    return message_of<beit::ConfigError>([&] {
      config.check();
      return 0;
    });
  };
  EXPECT_THAT(message([](SegmentationConfig& c) { c.num_classes = 0; }), HasSubstr("num_classes 0, wanted 1 to 65536"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.channels = 0; }), HasSubstr("channels 0, wanted at least 1"));
  EXPECT_THAT(message([](SegmentationConfig& c) {
                c.out_indices = {3, 5, 5, 11};
              }),
              HasSubstr("out_indices 3, 5, 5 and 11, wanted four ascending numbers from 1 to the depth 12"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.out_indices = {0, 5, 7, 11}; }), HasSubstr("four ascending"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.out_indices[3] = 13; }), HasSubstr("four ascending"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.pool_scales = {65}; }), HasSubstr("pool scale 65, wanted 1 to 64"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.labels = {"a"}; }), HasSubstr("1 labels, wanted num_classes 150"));
  EXPECT_THAT(message([](SegmentationConfig& c) { c.palette.clear(); }),
              HasSubstr("0 colours, wanted num_classes 150"));
  EXPECT_THAT(message([](SegmentationConfig& c) {
                c.image_size = c.preprocessing.input_size = {16, 32};
              }),
              HasSubstr("a grid of 1x2 patches, wanted at least 2x2"));
}

}  // namespace beit_test::segmentation_config_test
