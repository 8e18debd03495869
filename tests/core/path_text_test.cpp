#include <beit/core/path_text.hpp>

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace beit_test::path_text_test {

TEST(PathText, IsTheUtf8ThatThePathWasMadeOf) {
  for (const char8_t* const name : {u8"photo.png", u8"Größe.png", u8"写真/сумка.png", u8""}) {
    const std::u8string text = name;
    EXPECT_EQ(beit::detail::path_text(std::filesystem::path(text)), std::string(text.begin(), text.end()));
  }
}

}  // namespace beit_test::path_text_test
