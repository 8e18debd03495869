// Lines of a file, or of standard input, that a stop doesn't have to wait for.
#pragma once

#include <atomic>
#include <cerrno>
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

#include "../inputs.hpp"

namespace programs {

/// Reads "-" as standard input, which (as a named pipe) may keep its reader waiting: next() throws Interrupted when
/// `stopping` becomes true meanwhile.
class LineReader {
 public:
  LineReader(std::string path, const std::atomic<bool>& stopping) : path_(std::move(path)), stopping_(&stopping) {
#if defined(_WIN32)
    if (path_ != "-") file_.open(path_, std::ios::binary);
    if (!file_) throw beit::FileError(path_ + ": can't read the list");
#else
    if (path_ != "-") file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) fail();
#endif
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader() {
#if !defined(_WIN32)
    if (file_ > 0) ::close(file_);
#endif
  }

  /// The next line without its end; false after the last.
  bool next(std::string& line) {
    line.clear();
    for (;;) {
      const std::size_t end = buffer_.find('\n', begin_);
      line.append(buffer_, begin_, end == std::string::npos ? end : end - begin_);
      if (end != std::string::npos) {
        begin_ = end + 1;
        break;
      }
      begin_ = buffer_.size();
      if (!refill()) {
        if (line.empty()) return false;
        break;
      }
    }
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

 private:
  static constexpr std::size_t kBlock = 65536;

  /// False at the end of the file.
  bool refill() {
    begin_ = 0;
    buffer_.resize(kBlock);
#if defined(_WIN32)
    std::istream& stream = path_ == "-" ? std::cin : file_;
    stream.read(buffer_.data(), kBlock);
    buffer_.resize(static_cast<std::size_t>(stream.gcount()));
#else
    ::pollfd waiting{file_, POLLIN, 0};
    constexpr int milliseconds = 100;
    for (int ready; (ready = ::poll(&waiting, 1, milliseconds)) <= 0;) {
      if (*stopping_) throw Interrupted();
      if (ready < 0 && errno != EINTR) fail();
    }
    ::ssize_t count;
    do count = ::read(file_, buffer_.data(), kBlock);
    while (count < 0 && errno == EINTR);
    if (count < 0) fail();
    buffer_.resize(static_cast<std::size_t>(count));
#endif
    return !buffer_.empty();
  }

#if !defined(_WIN32)
  [[noreturn]] void fail() const {
    const std::string name = path_ == "-" ? "standard input" : path_;
    throw beit::FileError(name + ": can't read the list: " + std::generic_category().message(errno));
  }
  int file_ = 0;  // standard input
#else
  std::ifstream file_;
#endif
  std::string path_;
  const std::atomic<bool>* stopping_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is left in buffer_
};

}  // namespace programs
