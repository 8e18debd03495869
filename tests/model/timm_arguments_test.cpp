// Tests that every argument of timm's models is read, harmless or refused.
#include <beit/model/timm_arguments.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing.hpp"

namespace beit_test::timm_arguments_test {

using nlohmann::json;
using testing::HasSubstr;

std::string error(const json& args) {
  const std::string where = "file";
  return message_of<beit::ConfigError>([&] {
    beit::detail::check_timm_arguments({args, where});
    return 0;
  });
}

TEST(TimmArguments, OnesThatChangeTheArithmeticAreRefused) {
  for (const beit::detail::TimmArgument& argument : beit::detail::timm_arguments) {
    const std::string name(argument.name);
    EXPECT_EQ(error({{name, nullptr}}), "no error") << name;
    if (argument.only.empty()) {
      EXPECT_EQ(error({{name, 0.1}}), "no error") << name;
      continue;
    }
    EXPECT_EQ(error({{name, json::parse(argument.only)}}), "no error") << name;
    EXPECT_THAT(error({{name, "other"}}),
                HasSubstr("file: " + name + ": found \"other\", wanted " + std::string(argument.only)));
  }
  EXPECT_THAT(error({{"act_layer", "silu"}}),
              HasSubstr("another value changes the MLP in a way that isn't implemented"));
}

TEST(TimmArguments, UnknownOnesAreRefused) {
  EXPECT_THAT(error({{"rope", true}}), HasSubstr("file: rope: found true, wanted none: timm 1.0.31's Beit and"));
  EXPECT_THAT(error({{"depth", 2}, {"Depth", 2}}), HasSubstr("file: Depth: found 2, wanted none"));
  EXPECT_THAT(error(json::array()), HasSubstr("file: found [], wanted an object"));
  EXPECT_EQ(error(nullptr), "no error");
}

}  // namespace beit_test::timm_arguments_test
