#include <beit/io/atomic_file.hpp>

#include <filesystem>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#if !defined(_WIN32) && !defined(__EMSCRIPTEN__)
#include <signal.h>
#include <sys/resource.h>
#endif

#include "../testing.hpp"

namespace beit_test::atomic_file_test {

using beit::AtomicFile;
using beit::FileError;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AtomicFileTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "out.txt";
};

TEST_F(AtomicFileTest, AppearsOnClose) {
  AtomicFile file(path_);
  EXPECT_EQ(file.path(), path_);
  file.write("one\n");
  file.write("two\n");
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(folder_.file_count(), 1);  // the temporary file is in the same folder
  file.close();
  EXPECT_EQ(file_text(path_), "one\ntwo\n");
  EXPECT_EQ(folder_.file_count(), 1);
}

TEST_F(AtomicFileTest, SeekBeginOverwrites) {
  AtomicFile file(path_);
  file.write("....rest");
  file.seek_begin();
  file.write("HEAD");
  file.close();
  EXPECT_EQ(file_text(path_), "HEADrest");
}

TEST_F(AtomicFileTest, WithoutCloseNothingChanges) {
  write_file(path_, "old");
  { AtomicFile(path_).write("new"); }
  EXPECT_EQ(file_text(path_), "old");
  EXPECT_EQ(folder_.file_count(), 1);
}

TEST_F(AtomicFileTest, ReplacesAFile) {
  write_file(path_, "old");
  AtomicFile file(path_);
  file.write("new");
  file.close();
  EXPECT_EQ(file_text(path_), "new");
}

TEST_F(AtomicFileTest, TwoWritersOfOneNameDontMeet) {
  AtomicFile first(path_);
  AtomicFile second(path_);
  first.write("first");
  second.write("second");
  first.close();
  EXPECT_EQ(file_text(path_), "first");
  second.close();
  EXPECT_EQ(file_text(path_), "second");
}

TEST_F(AtomicFileTest, Moves) {
  AtomicFile first(path_);
  first.write("one ");
  AtomicFile second(std::move(first));
  second.write("two ");
  AtomicFile third(folder_ / "other");
  third = std::move(second);
  third.write("three");
  third.close();
  EXPECT_EQ(file_text(path_), "one two three");
}

TEST_F(AtomicFileTest, ClosedFileTakesNoMore) {
  AtomicFile file(path_);
  file.close();
  EXPECT_EQ(message_of<FileError>([&] { file.write("x"); }), path_.string() + ": already closed or discarded");
  EXPECT_EQ(message_of<FileError>([&] { file.close(); }), path_.string() + ": already closed or discarded");
  EXPECT_EQ(file_text(path_), "");
}

TEST_F(AtomicFileTest, SyncedFileIsTheSame) {
  AtomicFile file(path_);
  file.write("on the disk");
  file.close(beit::Sync::yes);
  EXPECT_EQ(file_text(path_), "on the disk");
  EXPECT_EQ(folder_.file_count(), 1);
}

TEST_F(AtomicFileTest, TemporaryNamesAreKnown) {
  const AtomicFile file(path_);
  const std::filesystem::path left = *std::filesystem::directory_iterator(folder_.path());
  EXPECT_EQ(beit::target_of_temporary(left), path_);
  EXPECT_EQ(beit::target_of_temporary("a.npy.tmp-1-23"), "a.npy");
  for (const char* const other : {"a.npy", "a.npy.tmp", "a.npy.tmp-", "a.npy.tmp-1", "a.npy.tmp-1-", "a.npy.tmp--1",
                                  "a.npy.tmp-1-x", "a.npy.tmp-1-2.txt", "tmp-1-2", ".tmp-1-2", ""}) {
    EXPECT_EQ(beit::target_of_temporary(other), "") << other;
  }
}

TEST_F(AtomicFileTest, MissingFolder) {
  const std::filesystem::path path = folder_ / "none" / "out.txt";
  EXPECT_EQ(message_of<FileError>([&] { AtomicFile file(path); }),
            path.string() + ": can't create: No such file or directory");
}

TEST_F(AtomicFileTest, DirectoryInTheWay) {
  EXPECT_EQ(message_of<FileError>([&] { AtomicFile file(folder_.path()); }),
            folder_.path().string() + ": is a directory, wanted a file to write");
}

TEST_F(AtomicFileTest, DirectoryThatAppearsBeforeClose) {
  AtomicFile file(path_);
  file.write("x");
  std::filesystem::create_directory(path_);
  EXPECT_THAT(message_of<FileError>([&] { file.close(); }),
              StartsWith(path_.string() + ": can't rename the finished file: "));
  EXPECT_EQ(folder_.file_count(), 1);  // only the folder
}

#if !defined(_WIN32) && !defined(__EMSCRIPTEN__)
TEST_F(AtomicFileTest, SyncsInAFolderThatIsTheWorkingFolder) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  AtomicFile file("out.txt");
  file.write("x");
  file.close(beit::Sync::yes);
  std::filesystem::current_path(before);
  EXPECT_EQ(file_text(path_), "x");
}

TEST_F(AtomicFileTest, DeviceIsNotReplaced) {
  EXPECT_EQ(message_of<FileError>([] { AtomicFile file("/dev/null"); }), "/dev/null: is not a regular file");
}

TEST_F(AtomicFileTest, SymbolicLinkIsFollowed) {
  write_file(folder_ / "real", "old");
  std::filesystem::create_symlink("real", path_);
  AtomicFile file(path_);
  file.write("new");
  file.close();
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
  EXPECT_EQ(file_text(folder_ / "real"), "new");
}

/// Limits files of this process to 4,096 bytes; growing beyond fails as on a full disk.
class SizeLimit {
 public:
  SizeLimit() {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit limit{4096, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  ::rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(AtomicFileTest, FailedWriteGivesTheReasonAndLeavesNothing) {
  write_file(path_, "old");
  AtomicFile file(path_);
  const SizeLimit limit;
  EXPECT_EQ(message_of<FileError>([&] { file.write(std::string(1'000'000, 'x')); }),
            path_.string() + ": can't write: File too large");
  EXPECT_EQ(folder_.file_count(), 1);
  EXPECT_EQ(message_of<FileError>([&] { file.close(); }), path_.string() + ": already closed or discarded");
  EXPECT_EQ(file_text(path_), "old");
}

TEST_F(AtomicFileTest, FailureOfTheLastFlushIsSeen) {
  AtomicFile file(path_);
  const SizeLimit limit;
  file.write(std::string(4000, 'x'));
  file.write(std::string(90, 'x'));
  file.write(std::string(7, 'x'));  // 4,097 bytes in all; the last ones are in the stream's buffer
  const std::string message = message_of<FileError>([&] { file.close(); });
  EXPECT_THAT(message, HasSubstr("out.txt: can't write: File too large"));
  EXPECT_EQ(folder_.file_count(), 0);
}
#endif

}  // namespace beit_test::atomic_file_test
