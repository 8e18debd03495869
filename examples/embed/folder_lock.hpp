// Keeps two processes that would write the same shards from working on one output folder at once.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <beit/beit.hpp>

#include "task.hpp"

namespace programs {

#if !defined(_WIN32)

/// A lock on OUT/running-I-of-N for task I of N, which says whose it is: held from its making on, and gone with the
/// process, however that ends. Tasks that share no shard may run at once. Where the file system knows no locks, there
/// is none.
class FolderLock {
 public:
  /// beit::FileError where another process is writing shards of this task's, or the file can't be made.
  FolderLock(std::filesystem::path folder, const Task& task) : folder_(std::move(folder)), path_(name_of(task)) {
    do {
      file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (file_ < 0) {
        throw beit::FileError(path_.string() + ": can't make the file: " + std::generic_category().message(errno));
      }
      if (!take(file_)) fail(path_);
    } while (!is_in_place());  // the process before removed the file between the two steps
    try {
      require_no_other(task);
    } catch (...) {
      release();
      throw;
    }
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const std::string holder = "process " + std::to_string(::getpid()) + " on " + host.data() + "\n";
    // For messages alone: a full disk keeps nobody from going on.
    [[maybe_unused]] const bool written =
        ::ftruncate(file_, 0) == 0 && ::write(file_, holder.data(), holder.size()) > 0;
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { release(); }

 private:
  std::filesystem::path name_of(const Task& task) const {
    return folder_ / ("running-" + std::to_string(task.index) + "-of-" + std::to_string(task.count));
  }

  /// False where somebody else has it.
  static bool take(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

  bool is_in_place() {
    struct ::stat by_file = {}, by_path = {};
    if (::fstat(file_, &by_file) == 0 && ::stat(path_.c_str(), &by_path) == 0 && by_file.st_ino == by_path.st_ino) {
      return true;
    }
    ::close(std::exchange(file_, -1));
    return false;
  }

  /// Looks at the locks of other divisions of the work, and removes what killed processes left.
  void require_no_other(const Task& task) const {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      long long index = 0, count = 0;
      const std::string name = entry->path().filename().string();
      if (std::sscanf(name.c_str(), "running-%lld-of-%lld", &index, &count) != 2 || count < 1) continue;
      const Task other{index, count};
      if (entry->path() != name_of(other) || entry->path() == path_) continue;
      const std::int64_t common = std::gcd(task.count, other.count);
      const bool shares = task.index % common == other.index % common;
      const int file = ::open(entry->path().c_str(), O_RDWR | O_CLOEXEC);
      if (file < 0) continue;
      const bool is_held = !take(file);
      if (!is_held) ::unlink(entry->path().c_str());
      ::close(file);
      if (is_held && shares) fail(entry->path());
    }
  }

  [[noreturn]] void fail(const std::filesystem::path& held) const {
    std::string holder = "another process";
    if (std::FILE* const file = std::fopen(held.c_str(), "r")) {
      std::array<char, 512> text{};
      if (std::fgets(text.data(), static_cast<int>(text.size()), file) != nullptr) holder = text.data();
      std::fclose(file);
    }
    holder.erase(holder.find_last_not_of('\n') + 1);
    throw beit::FileError(folder_.string() + ": " + holder +
                          " is writing to it: wait until that has ended, or give another folder");
  }

  void release() {
    if (file_ < 0) return;
    ::unlink(path_.c_str());  // before the lock goes: nobody else's
    ::close(std::exchange(file_, -1));
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  int file_ = -1;
};

#else

/// Not on Windows yet.
class FolderLock {
 public:
  FolderLock(const std::filesystem::path&, const Task&) {}
};

#endif

}  // namespace programs
