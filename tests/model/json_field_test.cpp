#include <beit/model/json_field.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <beit/core/error.hpp>
#include <beit/io/json.hpp>

namespace {

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

}  // namespace
