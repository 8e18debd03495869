#include <beit/core/regular_file.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "../testing.hpp"

namespace beit_test::regular_file_test {

using beit::FileError;
using beit::RegularFile;
using ::testing::HasSubstr;

class RegularFileTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(RegularFileTest, ReadsAllBytes) {
  const std::filesystem::path path = folder_ / "a";
  for (const std::string& text : {std::string("one\0two", 7), std::string(), std::string(100'000, 'x')}) {
    write_file(path, text);
    const RegularFile file(path);
    EXPECT_EQ(file.size(), text.size());
    EXPECT_EQ(file.read().text(), text);
  }
}

TEST_F(RegularFileTest, ReadsToTheEndThatTheFileHasByThen) {
  const std::filesystem::path path = folder_ / "a";
  write_file(path, "before");
  const RegularFile longer(path);
  std::ofstream(path, std::ios::binary | std::ios::app) << std::string(1000, 'x');
  EXPECT_EQ(longer.read().text(), "before" + std::string(1000, 'x'));
  const RegularFile shorter(path);
  std::filesystem::resize_file(path, 3);
  EXPECT_EQ(shorter.read().text(), "bef");
}

TEST_F(RegularFileTest, SaysWhatIsThereInstead) {
  const auto message = [](const std::filesystem::path& path) {
    return message_of<FileError>([&] { RegularFile file(path, "an image file"); });
  };
  EXPECT_EQ(message(folder_ / "none"), (folder_ / "none").string() + ": found nothing there, wanted an image file");
  EXPECT_EQ(message(folder_.path()), folder_.path().string() + ": found a directory, wanted an image file");
}

#if !defined(_WIN32) && !defined(__EMSCRIPTEN__)
TEST_F(RegularFileTest, NamedPipeNeitherBlocksNorReads) {
  const std::filesystem::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(message_of<FileError>([&] { RegularFile file(path); }),
            path.string() + ": is not a regular file, wanted a file");
}

TEST_F(RegularFileTest, UnreadableFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write_file(folder_ / "secret", "abc");
  std::filesystem::permissions(folder_ / "secret", std::filesystem::perms::none);
  const std::filesystem::path path = folder_ / "secret";
  EXPECT_THAT(message_of<FileError>([&] { RegularFile file(path); }),
              HasSubstr("secret: can't be opened: Permission denied"));
}
#endif

}  // namespace beit_test::regular_file_test
