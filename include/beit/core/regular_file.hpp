// A regular file, open for reading.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#if defined(_WIN32)
#include <share.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Throws FileError: "PATH: can't be read: Input/output error".
[[noreturn]] BEIT_COLD inline void fail_file(const std::filesystem::path& path, const char* done,
                                             std::error_code code) {
  throw FileError(concat({path_text(path), ": can't be ", done, ": ", code.message()}));
}

/// Throws FileError unless `path` is a regular file; `wanted` says what should be there: "an image file".
BEIT_COLD inline void require_regular_file(const std::filesystem::path& path, std::string_view wanted) {
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(path, code);
  const char* found = nullptr;
  if (status.type() == std::filesystem::file_type::not_found) {
    found = ": found nothing there, wanted ";
  } else if (code) {
    fail_file(path, "opened", code);
  } else if (std::filesystem::is_directory(status)) {
    found = ": found a directory, wanted ";
  } else if (!std::filesystem::is_regular_file(status)) {
    found = ": is not a regular file, wanted ";
  }
  if (found != nullptr) throw FileError(concat({path_text(path), found, wanted}));
}

}  // namespace detail

/// The bytes of a file, copied into memory.
class FileBytes {
 public:
  /// Takes `size` bytes.
  FileBytes(std::unique_ptr<std::byte[]> data, std::size_t size) : data_(std::move(data)), size_(size) {}

  /// The bytes, as long as this lives.
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  /// The bytes as text, as long as this lives.
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(data_.get()), size_}; }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_;
};

/// A regular file, open for reading.
class RegularFile {
 public:
  /// Opens the file. Throws FileError when there is nothing, or no regular file, or it can't be opened; `wanted` says
  /// in these messages what should be there. `path` must outlive the object.
  explicit RegularFile(const std::filesystem::path& path, std::string_view wanted = "a file") : path_(path) {
    // Before it is opened, because opening a named pipe would wait for a writer.
    detail::require_regular_file(path, wanted);
    open();
  }
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;
  ~RegularFile() {
#if defined(_WIN32)
    std::fclose(file_);
#else
    ::close(file_);
#endif
  }

  /// The number of bytes when the file was opened.
  std::size_t size() const { return size_; }

  /// Reads the file to its end, wherever that is by now. Throws FileError with the system's reason if that fails.
  [[nodiscard]] FileBytes read() const {
    std::size_t room = size_ + 1, size = 0;  // one more byte, so that the end shows itself without a larger buffer
    std::unique_ptr<std::byte[]> data(new std::byte[room]);  // not make_unique, which would set them to 0
    while (const std::size_t count = read_some(data.get() + size, room - size)) {
      size += count;
      if (size < room) continue;
      room *= 2;
      std::unique_ptr<std::byte[]> larger(new std::byte[room]);
      std::memcpy(larger.get(), data.get(), size);
      data = std::move(larger);
    }
    return {std::move(data), size};
  }

#if !defined(_WIN32)
  /// The file's descriptor.
  int descriptor() const { return file_; }
#endif

 private:
#if defined(_WIN32)
  BEIT_COLD void open() {
    file_ = ::_wfsopen(path_.c_str(), L"rb", _SH_DENYNO);  // others may write meanwhile, as on POSIX
    if (file_ == nullptr) fail("opened", errno);
    std::error_code code;
    size_ = static_cast<std::size_t>(std::filesystem::file_size(path_, code));
    if (code) {
      std::fclose(file_);
      detail::fail_file(path_, "read", code);
    }
  }

  std::size_t read_some(std::byte* data, std::size_t room) const {
    const std::size_t count = std::fread(data, 1, room, file_);
    if (count == 0 && std::ferror(file_) != 0) fail("read", errno);
    return count;
  }

  std::FILE* file_ = nullptr;
#else
  BEIT_COLD void open() {
    // O_NONBLOCK, in case a named pipe has come in the file's place.
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ < 0) fail("opened", errno);
    struct ::stat status {};
    int error = ::fstat(file_, &status) != 0 ? errno : 0;
    if (static_cast<std::uintmax_t>(status.st_size) >= std::numeric_limits<std::ptrdiff_t>::max()) error = EFBIG;
    if (error != 0) {
      ::close(file_);
      fail("read", error);
    }
    size_ = static_cast<std::size_t>(status.st_size);
  }

  std::size_t read_some(std::byte* data, std::size_t room) const {
    constexpr std::size_t most = std::size_t{1} << 30;  // systems read less than 2 GB at a time
    for (;;) {
      const ::ssize_t count = ::read(file_, data, std::min(room, most));
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) fail("read", errno);
    }
  }

  int file_ = -1;
#endif

  [[noreturn]] BEIT_COLD void fail(const char* done, int code) const {
    detail::fail_file(path_, done, {code, std::generic_category()});
  }

  const std::filesystem::path& path_;
  std::size_t size_ = 0;
};

}  // namespace beit::inline BEIT_ABI
