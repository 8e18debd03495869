#include <beit/model/json_field.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/io/json.hpp>

namespace beit_test::json_field_test {

using beit::detail::JsonField;
using testing::ThrowsMessage;

TEST(JsonFieldTest, IntegersAreFromZeroToABillion) {
  for (const beit::Index value : {0, 1, 1'000'000'000}) {
    const nlohmann::json field = value;
    EXPECT_EQ(JsonField(field, "depth").integer(), value);
  }
  for (const std::string text : {"-1", "1000000001", "9223372036854775807", "9223372036854775808",
                                 "18446744073709551615", "-9223372036854775808", "1.0", "true", "null", "\"1\""}) {
    const nlohmann::json field = beit::parse_json(text, "config.json");
    EXPECT_THAT([&] { JsonField(field, "depth").integer(); },
                ThrowsMessage<beit::ConfigError>("depth: found " + text + ", wanted an integer from 0 to 1e9"));
  }
}

TEST(JsonFieldTest, MessagesNameTheKeysThatLeadToAField) {
  const std::string file = "config.json";
  const nlohmann::json config = beit::parse_json(
      R"({"model_args": {"depth": "12", "img_size": [224, "w"], "list": [{"eps": true}]}, "a\nb": {"c": 1}})", file);
  const JsonField root(config, file), args = root["model_args"];
  EXPECT_EQ(root.where(), "config.json");
  EXPECT_EQ(args.where(), "config.json: model_args");
  EXPECT_THAT([&] { args["depth"].integer(); },
              ThrowsMessage<beit::ConfigError>(
                  "config.json: model_args: depth: found \"12\", wanted an integer from 0 to 1e9"));
  // An element has no key of its own.
  EXPECT_THAT([&] { args["img_size"].size(); },
              ThrowsMessage<beit::ConfigError>(
                  "config.json: model_args: img_size: found \"w\", wanted an integer from 0 to 1e9"));
  const JsonField list = args["list"];
  EXPECT_THAT([&] { list.at(list.value()[0])["eps"].number(); },
              ThrowsMessage<beit::ConfigError>("config.json: model_args: list: eps: found true, wanted a number"));
  EXPECT_THAT([&] { root["a\nb"]["c"].string(); },
              ThrowsMessage<beit::ConfigError>("config.json: a?b: c: found 1, wanted a string"));
  EXPECT_THAT([&] { args["depth"]["x"]; },
              ThrowsMessage<beit::ConfigError>("config.json: model_args: depth: found \"12\", wanted an object"));
}

TEST(JsonFieldTest, WhatIsMissingOrNullIsNotPresent) {
  const std::string file = "config.json";
  const nlohmann::json config = beit::parse_json(R"({"null": null})", file);
  const JsonField root(config, file);
  EXPECT_TRUE(root.present());
  EXPECT_FALSE(root["null"].present());
  EXPECT_FALSE(root["missing"].present());
  EXPECT_FALSE(root["missing"]["deeper"].present());
}

}  // namespace beit_test::json_field_test
