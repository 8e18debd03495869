// Reads the lines of a file or of standard input.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

#include "input_file.hpp"

namespace programs {

class LineReader {
 public:
  /// Opens the list; "-" is standard input. Throws beit::FileError if it can't be read.
  LineReader(std::string path, const std::atomic<bool>& stopping)
      : file_(std::move(path), "can't read the list", stopping) {}

  /// Reads the next line, without its line end. Returns false after the last. Throws what InputFile throws.
  bool next(std::string& line) {
    line.clear();
    for (;;) {
      const std::size_t end = buffer_.find('\n', begin_);
      line.append(buffer_, begin_, end == std::string::npos ? end : end - begin_);
      if (end != std::string::npos) {
        begin_ = end + 1;
        break;
      }
      begin_ = 0;
      buffer_ = file_.read();
      if (buffer_.empty()) {
        if (line.empty()) return false;
        break;
      }
    }
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

 private:
  InputFile file_;
  std::string buffer_;
  std::size_t begin_ = 0;  // where the unread part of buffer_ begins
};

}  // namespace programs
