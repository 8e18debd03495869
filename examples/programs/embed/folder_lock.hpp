// Keeps two processes from writing the same shards of an output folder at the same time.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>
#endif

#include <beit/beit.hpp>

#include "../paths.hpp"
#include "task.hpp"

namespace programs {

/// The name of a file that belongs to a task: "running-0-of-2".
inline std::string task_file_name(const Task& task, const std::string& kind = "running") {
  return kind + "-" + std::to_string(task.index) + "-of-" + std::to_string(task.count);
}

/// The task whose file of that kind has this name, apart from its extension. Returns nothing for any other file.
inline std::optional<Task> task_of_file(const std::filesystem::path& path, const std::string& kind = "running") {
  long long index = 0, count = 0;
  const std::string name = name_of(path.stem());
  if (!name.starts_with(kind)) return std::nullopt;
  if (std::sscanf(name.c_str() + kind.size(), "-%lld-of-%lld", &index, &count) != 2 || count < 1) return std::nullopt;
  const Task task{index, count};
  return task_file_name(task, kind) == name ? std::optional(task) : std::nullopt;
}

inline bool share_a_shard(const Task& a, const Task& b) {
  const std::int64_t common = std::gcd(a.count, b.count);
  return a.index % common == b.index % common;
}

#if !defined(_WIN32)

/// Locks OUT/running-I-of-N for task I of N. The file names its holder; the lock is held from construction on and ends
/// with the process, however that ends. Tasks that share no shard may run at once. On a file system without locks, this
/// does nothing.
class [[nodiscard]] FolderLock {
 public:
  /// Throws beit::FileError if another process is writing shards of this task, or if the file can't be made.
  FolderLock(std::filesystem::path folder, const Task& task)
      : folder_(std::move(folder)), path_(folder_ / task_file_name(task)) {
    do {
      file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (file_ < 0) {
        throw beit::FileError(name_of(path_) + ": can't make the file: " + std::generic_category().message(errno));
      }
      if (!take(file_)) fail(path_);
    } while (!is_in_place());  // its previous holder may have removed the file between the two steps
    try {
      require_no_other(task);
    } catch (...) {
      release();
      throw;
    }
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const std::string holder = "process " + std::to_string(::getpid()) + " on " + host.data() + "\n";
    // Only messages use this text, so a full disk is no reason to stop.
    [[maybe_unused]] const bool written =
        ::ftruncate(file_, 0) == 0 && ::write(file_, holder.data(), holder.size()) > 0;
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { release(); }

 private:
  /// Takes the lock. Returns false if another process holds it.
  static bool take(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

  bool is_in_place() {
    struct ::stat by_file = {}, by_path = {};
    if (::fstat(file_, &by_file) == 0 && ::stat(path_.c_str(), &by_path) == 0 && by_file.st_ino == by_path.st_ino) {
      return true;
    }
    ::close(std::exchange(file_, -1));
    return false;
  }

  /// Checks the locks of other tasks, whatever their number of processes, and removes those that killed processes left.
  void require_no_other(const Task& task) const {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::optional<Task> other = task_of_file(entry->path());
      if (!other || entry->path() == path_) continue;
      const int file = ::open(entry->path().c_str(), O_RDWR | O_CLOEXEC);
      if (file < 0) continue;
      const bool is_held = !take(file);
      if (!is_held) ::unlink(entry->path().c_str());
      ::close(file);
      if (is_held && share_a_shard(task, *other)) fail(entry->path());
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
    throw beit::FileError(name_of(folder_) + ": " + holder +
                          " is writing to this folder: wait until it has finished, or use another folder");
  }

  void release() {
    if (file_ < 0) return;
    ::unlink(path_.c_str());  // while the lock is still held, so that this can't be another process's file
    ::close(std::exchange(file_, -1));
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  int file_ = -1;
};

#else

/// Holds a file OUT/running-I-of-N for task I of N that no other process can open. It is held from construction on and
/// disappears with the process, however that ends. Tasks that share no shard may run at once.
class [[nodiscard]] FolderLock {
 public:
  /// Throws beit::FileError if another process is writing shards of this task, or if the file can't be made.
  FolderLock(const std::filesystem::path& folder, const Task& task) : path_(folder / task_file_name(task)) {
    file_ = take(path_);
    if (file_ < 0) fail(folder, errno);
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::optional<Task> other = task_of_file(entry->path());
      if (!other || entry->path() == path_ || !share_a_shard(task, *other)) continue;
      const int file = take(entry->path());  // a file that a killed process left disappears when this is closed
      if (file < 0) {
        ::_close(file_);
        fail(folder, errno);
      }
      ::_close(file);
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { ::_close(file_); }

 private:
  static int take(const std::filesystem::path& path) {
    int file = -1;
    const int error = ::_wsopen_s(&file, path.c_str(), _O_RDWR | _O_CREAT | _O_TEMPORARY | _O_NOINHERIT, _SH_DENYRW,
                                  _S_IREAD | _S_IWRITE);
    if (error != 0) errno = error;
    return error == 0 ? file : -1;
  }

  [[noreturn]] static void fail(const std::filesystem::path& folder, int error) {
    if (error != EACCES) {
      throw beit::FileError(name_of(folder) + ": can't make a file in it: " + std::generic_category().message(error));
    }
    throw beit::FileError(name_of(folder) +
                          ": another process is writing to this folder: wait until it has finished, or use another "
                          "folder");
  }

  std::filesystem::path path_;
  int file_ = -1;
};

#endif

}  // namespace programs
