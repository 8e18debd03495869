#include <gtest/gtest.h>

#include <beit/cpu/isa.hpp>
#include <string>

namespace {

TEST(Isa, NamesGoBothWays) { EXPECT_EQ(beit::isa_from_name(beit::isa_name(beit::Isa::portable)), beit::Isa::portable); }

TEST(Isa, UnknownNameSaysWhatThereIs) {
  try {
    beit::isa_from_name("avx9");
    FAIL() << "took an unknown level";
  } catch (const beit::ConfigError& error) {
    EXPECT_EQ(std::string(error.what()), "BEIT_ISA: found 'avx9', wanted one of portable");
  }
}

}  // namespace
