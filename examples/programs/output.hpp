// The programs' output: lines, a progress line, and .npy files with the names of their rows.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include <beit/beit.hpp>

namespace programs {

/// Replaces control characters, so that a file name, a label or an error prints as one line and can't affect a
/// terminal.
inline std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

/// Cuts a text in UTF-8 that is longer than `limit` bytes, between two characters, and appends "...".
inline std::string shortened(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit) + "...";
}

inline bool is_terminal(std::FILE* stream) {
#if defined(_WIN32)
  return ::_isatty(::_fileno(stream)) != 0;
#else
  return ::isatty(::fileno(stream)) != 0;
#endif
}

/// A number with its noun: "1 shard", "3 shards".
inline std::string counted(std::int64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

/// Shows "[=====>     ] 96/1000 images, 12.5 images/s, 1:12 left" on standard error, if that is a terminal and there
/// are many images.
class Progress {
 public:
  /// Means that the total isn't known: there is no bar and no time left.
  static constexpr std::size_t unknown = 0;

  explicit Progress(bool quiet) : is_shown_(!quiet && is_terminal(stderr)) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  void set_total(std::size_t total) { total_ = total; }

  /// `worked` of the `done` images were processed in this run; this process handles one in `parts` of those that
  /// remain.
  void show(std::size_t done, std::size_t worked, std::size_t parts) {
    constexpr std::size_t few = 32;
    if (!is_shown_ || (total_ != unknown && total_ < few)) return;
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << std::setfill('0');
    if (total_ != unknown) {
      constexpr std::size_t width = 20;
      const std::size_t filled = std::min(done, total_) * width / total_;
      text << '[' << std::string(filled, '=') << (filled < width ? ">" : "")
           << std::string(width - std::min(width, filled + 1), ' ') << "] " << done << '/' << total_ << " images";
    } else {
      text << done << " images";
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (worked > 0 && seconds > 0) {
      const double rate = static_cast<double>(worked) / seconds;
      text << ", " << rate << " images/s";
      if (total_ != unknown) {
        const double to_do = static_cast<double>(total_ - std::min(done, total_)) / static_cast<double>(parts);
        const auto left = static_cast<long long>(to_do / rate);
        text << ", ";
        if (left >= 3600) text << left / 3600 << ':' << std::setw(2);
        text << left / 60 % 60 << ':' << std::setw(2) << left % 60 << " left";
      }
    }
    const std::size_t before = std::exchange(width_, text.str().size());
    std::cerr << '\r' << text.str() << std::string(before - std::min(before, width_), ' ') << std::flush;
    width_ = std::max(width_, before);
  }

  /// Clears the line for other output.
  void clear() {
    if (width_ > 0) std::cerr << '\r' << std::string(width_, ' ') << '\r' << std::flush;
    width_ = 0;
  }

 private:
  std::size_t total_ = unknown;
  bool is_shown_;
  std::size_t width_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The numbers of one image: floats, or the int32 that visual tokens are.
using NumberRow = std::variant<std::span<const float>, std::span<const std::int32_t>>;

/// Writes OUT.npy with one row per image, and OUT.txt with the image's name for each row. Both files appear complete in
/// close(); if the program ends earlier, files that were there before stay as they were.
class RowFiles {
 public:
  RowFiles(const std::filesystem::path& path, std::vector<beit::Index> row_shape,
           beit::NpyType type = beit::NpyType::float32)
      : rows_(path, std::move(row_shape), type), names_(std::filesystem::path(path).replace_extension(".txt")) {}

  void write(const std::string& name, const NumberRow& row) {
    std::visit([this](auto numbers) { rows_.write(numbers); }, row);
    names_.write(one_line(name) + '\n');
    empty_ = false;
  }

  /// Writes no files if there are no rows.
  void close() {
    if (empty_) return;
    rows_.close();
    names_.close();
  }

 private:
  beit::NpyWriter rows_;
  beit::AtomicFile names_;
  bool empty_ = true;
};

}  // namespace programs
