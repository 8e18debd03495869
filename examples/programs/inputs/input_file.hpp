// Reads a file or standard input so that a signal can interrupt the wait.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

#if !defined(_WIN32)
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#endif

#include <beit/beit.hpp>

#include "stop.hpp"

namespace programs {

/// Reads a file, or standard input if the path is "-". Standard input and named pipes may keep the reader waiting:
/// read() throws Interrupted if `stopping` becomes true meanwhile, or after a signal.
class InputFile {
 public:
  /// Opens the file. Throws beit::FileError if it can't be read; `what` is part of the message: "can't read the list".
  InputFile(std::string path, const char* what, const std::atomic<bool>& stopping)
      : path_(std::move(path)), what_(what), stopping_(&stopping) {
#if defined(_WIN32)
    if (path_ != "-") file_.open(path_, std::ios::binary);
    if (!file_) fail();
#else
    if (path_ != "-") file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) fail();
#endif
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile() {
#if !defined(_WIN32)
    if (file_ > 0) ::close(file_);
#endif
  }

  /// Returns the next bytes, at most 64 KB, or none at the end of the file.
  const std::string& read() {
    buffer_.resize(buffer_bytes);
#if defined(_WIN32)
    std::istream& stream = path_ == "-" ? std::cin : file_;
    stream.read(buffer_.data(), buffer_bytes);
    if (stream.bad()) fail();
    buffer_.resize(static_cast<std::size_t>(stream.gcount()));
#else
    ::pollfd waiting{file_, POLLIN, 0};
    constexpr int milliseconds = 100;
    for (int ready; (ready = ::poll(&waiting, 1, milliseconds)) <= 0;) {
      if (*stopping_ || stop_signal != 0) throw Interrupted();
      if (ready < 0 && errno != EINTR) fail();
    }
    ::ssize_t count;
    do count = ::read(file_, buffer_.data(), buffer_bytes);
    while (count < 0 && errno == EINTR);
    if (count < 0) fail();
    buffer_.resize(static_cast<std::size_t>(count));
#endif
    return buffer_;
  }

  /// The bytes that read() returned last.
  const std::string& block() const { return buffer_; }

 private:
  static constexpr std::size_t buffer_bytes = 65536;

  [[noreturn]] void fail() const {
    const std::string name = path_ == "-" ? "standard input" : path_;
    throw beit::FileError(name + ": " + what_ + ": " + std::generic_category().message(errno));
  }

#if !defined(_WIN32)
  int file_ = 0;  // standard input
#else
  std::ifstream file_;
#endif
  std::string path_;
  const char* what_;
  const std::atomic<bool>* stopping_;
  std::string buffer_;
};

}  // namespace programs
