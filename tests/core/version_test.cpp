#include <beit/core/version.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::version_test {

#define SPELLED_(name) #name
#define SPELLED(name) SPELLED_(name)

TEST(Version, TextHasTheNumbers) {
  EXPECT_EQ(BEIT_VERSION, std::to_string(BEIT_VERSION_MAJOR) + '.' + std::to_string(BEIT_VERSION_MINOR) + '.' +
                              std::to_string(BEIT_VERSION_PATCH));
}

TEST(Version, NamespaceIsThatOfTheMinorVersionAndOfTheFlags) {
  const std::string name = SPELLED(BEIT_ABI);
  const std::string version = 'v' + std::to_string(BEIT_VERSION_MAJOR) + '_' + std::to_string(BEIT_VERSION_MINOR);
  ASSERT_TRUE(name.starts_with(version)) << name;
#if defined(NDEBUG)
  EXPECT_THAT(name, testing::Not(testing::HasSubstr("_assert")));
#else
  EXPECT_THAT(name, testing::HasSubstr("_assert"));
#endif
}

#undef SPELLED
#undef SPELLED_

}  // namespace beit_test::version_test
