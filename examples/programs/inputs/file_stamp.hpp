// Reads the size of a file and when it was last written to.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>

#if !defined(_WIN32)
#include <sys/stat.h>
#endif

#include "item.hpp"

namespace programs {

/// Returns nothing, and sets `error`, if the system doesn't say.
inline std::optional<FileStamp> stamp_of(const std::filesystem::path& path, std::error_code& error) {
  error.clear();
#if defined(_WIN32)
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return std::nullopt;
  const auto time = std::filesystem::last_write_time(path, error).time_since_epoch();
  if (error) return std::nullopt;
  return FileStamp{static_cast<std::int64_t>(bytes),
                   std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()};
#else
  struct ::stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    error.assign(errno, std::generic_category());
    return std::nullopt;
  }
#if defined(__APPLE__)
  const ::timespec& time = status.st_mtimespec;
#else
  const ::timespec& time = status.st_mtim;
#endif
  using std::chrono::nanoseconds, std::chrono::seconds;
  return FileStamp{static_cast<std::int64_t>(status.st_size),
                   (seconds(time.tv_sec) + nanoseconds(time.tv_nsec)).count()};
#endif
}

}  // namespace programs
