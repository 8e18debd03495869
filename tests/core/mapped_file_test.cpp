#include <beit/core/mapped_file.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "../testing.hpp"

namespace beit_test::mapped_file_test {

using beit::FileError;
using beit::MappedFile;
using ::testing::HasSubstr;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

class MappedFileTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(MappedFileTest, HoldsTheBytesOfTheFile) {
  write_file(folder_ / "a", std::string("one\0two", 7));
  EXPECT_EQ(text_of(MappedFile(folder_ / "a")), std::string("one\0two", 7));
}

TEST_F(MappedFileTest, EmptyFileHasNoBytes) {
  write_file(folder_ / "empty", "");
  const MappedFile file(folder_ / "empty");
  EXPECT_TRUE(file.bytes().empty());
  file.release(0, 10);
}

TEST_F(MappedFileTest, MovingKeepsTheAddress) {
  write_file(folder_ / "a", "abc");
  write_file(folder_ / "b", "bcd");
  MappedFile first(folder_ / "a");
  const std::byte* const address = first.bytes().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), address);
  MappedFile third(folder_ / "b");
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), address);
  EXPECT_EQ(text_of(third), "abc");
}

TEST_F(MappedFileTest, ReleasedBytesCanBeReadAgain) {
  std::string text(100'000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  write_file(folder_ / "a", text);
  const MappedFile file(folder_ / "a");
  ASSERT_EQ(text_of(file), text);
  file.release(0, text.size());
  file.release(5, 10);
  file.release(text.size() - 1, text.size());  // reaches beyond the file
  file.release(text.size(), 1);
  EXPECT_EQ(text_of(file), text);
}

TEST_F(MappedFileTest, MissingFile) {
  EXPECT_EQ(message_of<FileError>([&] { MappedFile file(folder_ / "none"); }),
            (folder_ / "none").string() + ": found nothing there, wanted a file");
  EXPECT_EQ(message_of<FileError>([&] { MappedFile file(folder_ / "none" / "inside", "an image file"); }),
            (folder_ / "none" / "inside").string() + ": found nothing there, wanted an image file");
}

TEST_F(MappedFileTest, MoreThanFourGigabytes) {
  if (sizeof(std::size_t) < 8) GTEST_SKIP() << "more than there is room for";
  const std::filesystem::path path = folder_ / "large";
  write_file(path, "first");
  constexpr std::uintmax_t size = (std::uintmax_t{1} << 32) + 5;
  std::filesystem::resize_file(path, size);  // takes no space on the disk
  const MappedFile file(path);
  ASSERT_EQ(file.bytes().size(), size);
  EXPECT_EQ(file.bytes()[0], std::byte{'f'});
  EXPECT_EQ(file.bytes()[size - 1], std::byte{0});
}

TEST_F(MappedFileTest, Directory) {
  EXPECT_EQ(message_of<FileError>([&] { MappedFile file(folder_.path()); }),
            folder_.path().string() + ": found a directory, wanted a file");
}

#if !defined(_WIN32) && !defined(__EMSCRIPTEN__)
TEST_F(MappedFileTest, NamedPipeNeitherBlocksNorMaps) {
  const std::filesystem::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(message_of<FileError>([&] { MappedFile file(path); }),
            path.string() + ": is not a regular file, wanted a file");
}

TEST_F(MappedFileTest, Device) {
  EXPECT_EQ(message_of<FileError>([] { MappedFile file("/dev/null"); }),
            "/dev/null: is not a regular file, wanted a file");
}

TEST_F(MappedFileTest, UnreadableFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write_file(folder_ / "secret", "abc");
  std::filesystem::permissions(folder_ / "secret", std::filesystem::perms::none);
  const std::string message = message_of<FileError>([&] { MappedFile file(folder_ / "secret"); });
  EXPECT_THAT(message, HasSubstr("secret: can't be opened: Permission denied"));
}
#endif

}  // namespace beit_test::mapped_file_test
