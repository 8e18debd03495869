// Counts the files in folders and tar files that aren't read, so that no photograph is left out unnoticed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/image/formats.hpp>

#include "../paths.hpp"

namespace programs {

/// Whether this is an AppleDouble file, which macOS writes beside each file on other file systems. It isn't an image,
/// whatever its extension.
inline bool is_apple_double(const std::filesystem::path& path) {
  return name_of(path.filename()).starts_with("._") ||
         std::any_of(path.begin(), path.end(), [](const std::filesystem::path& part) { return part == "__MACOSX"; });
}

/// Whether a file in a folder or tar file is an image to read.
inline bool is_image_file(const std::filesystem::path& path) {
  return beit::is_image_name(path) && !is_apple_double(path);
}

class Skipped {
 public:
  /// Counts a file under its kind: ".webp", "AppleDouble", ".DS_Store", "without extension".
  void add(const std::filesystem::path& path) { ++count(kind_of(path)); }
  /// Counts a file in a tar file that is a label, if its image isn't found.
  void add_label(const std::filesystem::path& path) { ++count(kind_of(path) + " without an image"); }
  /// Counts a folder that isn't searched.
  void add_folder() { ++folders_; }
  /// Counts a file or folder of which the system only gives an error, such as a folder without the right to search it.
  /// Each is an item with an error, too.
  void add_unreachable() { ++unreachable_; }
  /// Counts all files in a folder of AppleDouble files.
  void add_apple_folder(const std::filesystem::path& path) {
    std::error_code error, ignored;
    for (std::filesystem::recursive_directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->is_regular_file(ignored)) ++count("AppleDouble");
    }
  }

  /// Whether files of this kind were skipped.
  bool has(const std::string& kind) const { return kinds_.contains(kind); }
  /// Whether nothing was skipped.
  bool empty() const { return kinds_.empty() && folders_ == 0 && unreachable_ == 0; }
  std::int64_t unreachable() const { return unreachable_; }

  /// The kinds of files and the number of each, the most frequent first.
  std::vector<std::pair<std::string, std::int64_t>> kinds() const {
    std::vector<std::pair<std::string, std::int64_t>> sorted(kinds_.begin(), kinds_.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return sorted;
  }

  /// "7 files skipped: 4 .webp, 2 .tiff, 1 .heic"
  std::string text() const {
    std::int64_t files = 0;
    std::string list;
    for (const auto& [kind, number] : kinds()) {
      files += number;
      list.append(list.empty() ? "" : ", ").append(std::to_string(number)).append(" ").append(kind);
    }
    std::string text;
    if (files > 0) text = std::to_string(files) + (files == 1 ? " file skipped: " : " files skipped: ") + list;
    if (folders_ > 0) {
      text.append(text.empty() ? "" : "; ").append(std::to_string(folders_));
      text.append(folders_ == 1 ? " folder not searched" : " folders not searched");
    }
    if (unreachable_ > 0) {
      text.append(text.empty() ? "" : "; ").append(std::to_string(unreachable_));
      text.append(unreachable_ == 1 ? " file or folder" : " files or folders").append(" couldn't be looked at");
    }
    return text;
  }

 private:
  static std::string kind_of(const std::filesystem::path& path) {
    if (is_apple_double(path)) return "AppleDouble";
    std::string extension = name_of(path.extension());
    for (char& c : extension) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (extension.size() > 1) return extension;
    const std::string name = name_of(path.filename());
    return name.starts_with('.') ? name : "without extension";
  }

  /// The count for a kind. Once there are many kinds, all new ones share one count.
  std::int64_t& count(const std::string& kind) {
    constexpr std::size_t most = 20;
    const bool is_known = kinds_.contains(kind);
    return kinds_[is_known || kinds_.size() < most ? kind : "of other kinds"];
  }

  std::map<std::string, std::int64_t> kinds_;
  std::int64_t folders_ = 0;
  std::int64_t unreachable_ = 0;
};

}  // namespace programs
