#include <beit/io/json.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../testing.hpp"

namespace beit_test::json_test {

using beit::ConfigError;
using beit::parse_json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string refusal(const std::string& text) {
  return message_of<ConfigError>([&] { (void)parse_json(text, "config.json"); });
}

TEST(JsonTest, ParsesValidText) {
  const nlohmann::json json = parse_json(R"( {"a": [1, 2.5, "\u00fc"], "b": {"a": null}} )", "config.json");
  EXPECT_EQ(json.at("a").at(1), 2.5);
  EXPECT_EQ(json.at("a").at(2), "\xC3\xBC");
  EXPECT_TRUE(json.at("b").at("a").is_null());
}

TEST(JsonTest, SyntaxErrorsSayWhere) {
  EXPECT_THAT(refusal("{\"a\":\n1,}"), StartsWith("config.json: not valid JSON: parse error at line 2, column 3"));
  EXPECT_THAT(refusal(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{} {}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{\"a\": NaN}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("[1e999]"), HasSubstr("number overflow"));
  EXPECT_THAT(refusal("/* comment */ 1"), HasSubstr("not valid JSON"));
}

TEST(JsonTest, InvalidUtf8) { EXPECT_THAT(refusal("\"\xC3(\""), HasSubstr("ill-formed UTF-8")); }

TEST(JsonTest, NothingHidesBehindANul) {
  EXPECT_EQ(refusal(std::string("{}\0{", 4)), "config.json: not valid JSON: NUL byte at offset 2");
}

TEST(JsonTest, RepeatedKeysInOneObjectOnly) {
  EXPECT_EQ(refusal(R"({"a": 1, "b": 2, "a": 3})"), "config.json: name \"a\" appears twice in one JSON object");
  EXPECT_EQ(refusal(R"([{"x": {"a": 1, "\u0061": 2}}])"), "config.json: name \"a\" appears twice in one JSON object");
  EXPECT_NO_THROW((void)parse_json(R"([{"a": {"a": 1}}, {"a": 2}])", "config.json"));
}

TEST(JsonTest, DeepNesting) {
  EXPECT_NO_THROW((void)parse_json(std::string(64, '[') + std::string(64, ']'), "config.json"));
  EXPECT_EQ(refusal(std::string(65, '[') + std::string(65, ']')), "config.json: JSON nested deeper than 64 levels");
  EXPECT_EQ(refusal(std::string(10'000'000, '[')), "config.json: JSON nested deeper than 64 levels");
}

TEST(JsonTest, MessagesAreOneShortLine) {
  const std::string message = refusal("\"" + std::string(100'000, 'x') + "\n");
  EXPECT_LT(message.size(), 500U);
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST(JsonTest, MessagesShowValuesAsTheLibraryWritesThem) {
  for (const char* text :
       {"null", "true", "false", "0", "-7", "-9223372036854775808", "18446744073709551615", "0.9", "1.0", "-0.5",
        "1e-09", "\"\"", R"("a\"b\\c")", "[]", "[1,[2.5,null],\"x\"]", "{}", R"({"a":[],"b\"":{"c":true}})"}) {
    const nlohmann::json value = beit::parse_json(text, "config.json");
    EXPECT_EQ(beit::detail::json_text(value), value.dump());
  }
}

}  // namespace beit_test::json_test
