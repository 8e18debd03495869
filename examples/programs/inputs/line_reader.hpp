// Reads the lines of a file or of standard input.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <beit/beit.hpp>

#include "input_file.hpp"

namespace programs {

class LineReader {
 public:
  /// Opens the list; "-" is standard input. Lines end with zero bytes if `null` is true or if the beginning has one, as
  /// `find -print0` writes them. Throws beit::FileError if the list can't be read.
  LineReader(const std::string& path, bool null, const std::atomic<bool>& stopping)
      : path_(path), end_(null ? '\0' : '\n'), file_(path, "can't read the list", stopping) {}

  /// Whether lines end with zero bytes; known once next() has returned one.
  bool is_null() const { return end_ == '\0'; }

  /// Reads the next line, without its line end and a byte order mark. Returns false after the last. Throws what
  /// InputFile throws, and beit::FileError for a list that isn't one of names in UTF-8 or bytes.
  bool next(std::string& line) {
    if (!std::exchange(started_, true)) start();
    line.clear();
    for (;;) {
      const std::size_t end = buffer_.find(end_, begin_);
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
    if (is_null()) return true;
    if (line.find('\0') != std::string::npos) {
      throw beit::FileError(path_ + ": found a zero byte after lines of text, wanted names on lines, or --null");
    }
    if (line.ends_with('\r')) line.pop_back();
    return true;
  }

 private:
  /// Reads as much as it takes to know how lines end.
  void start() {
    while (buffer_.find_first_of(std::string_view("\n\0", 2)) == std::string::npos) {
      const std::string& more = file_.read();
      if (more.empty()) break;
      buffer_ += more;
    }
    if (buffer_.starts_with("\xFF\xFE") || buffer_.starts_with("\xFE\xFF")) {
      throw beit::FileError(path_ + ": found a list in UTF-16, wanted UTF-8");
    }
    if (buffer_.starts_with("\xEF\xBB\xBF")) begin_ = 3;
    if (buffer_.find('\0') != std::string::npos) end_ = '\0';
  }

  std::string path_;
  char end_;
  bool started_ = false;
  InputFile file_;
  std::string buffer_;
  std::size_t begin_ = 0;  // where the unread part of buffer_ begins
};

}  // namespace programs
