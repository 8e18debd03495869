// The programs' output: lines, and .npy files with the names of their rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <beit/beit.hpp>

#include "escaped.hpp"

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

/// A number with its noun: "1 shard", "3 shards".
inline std::string counted(std::int64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

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
    names_.write(escaped(name, true) + '\n');
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
