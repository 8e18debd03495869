// From the arguments to images, one after the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../paths.hpp"
#include "folder_walk.hpp"
#include "item.hpp"
#include "line_reader.hpp"
#include "tar_reader.hpp"

namespace programs {

/// What the user names: first the arguments (images, tar files, and folders with all below), then the lines of a list
/// (images and tar files).
struct InputNames {
  std::vector<std::string> arguments;  // "-" for a tar file from standard input
  std::string list;                    // "-" for standard input, "" for none
};

/// The same images in the same order for every task. Holds no more of them than are on their way.
class Sources {
 public:
  /// Only an image in a tar that is `wanted` gets its bytes. beit::FileError where the list can't be opened.
  Sources(const InputNames& names, Wanted wanted)
      : arguments_(names.arguments.begin(), names.arguments.end()), wanted_(std::move(wanted)) {
    if (!names.list.empty()) list_.emplace(names.list, stopping_);
  }

  std::optional<Item> next() {
    for (;;) {
      if (tar_) {
        if (std::optional<Item> item = tar_->next()) return numbered(std::move(item));
        tar_.reset();
      } else if (walk_) {
        if (std::optional<Item> item = walk_->next()) {
          if (!item->error.empty() || !open_tar(item->path)) return numbered(std::move(item));
          continue;
        }
        const bool found = walk_->found();
        walk_.reset();
        if (!found) return numbered(Item{.path = folder_, .error = "found no image files in the folder"});
      } else if (!arguments_.empty()) {
        const std::string argument = std::move(arguments_.front());
        arguments_.pop_front();
        std::error_code ignored;
        if (std::filesystem::is_directory(path_of(argument), ignored)) {
          folder_ = argument;
          walk_.emplace(argument, skipped_);
        } else if (argument.empty()) {
          return numbered(Item{.error = "found an empty name, wanted an image or a folder"});
        } else if (!open_tar(argument)) {
          return numbered(Item{.path = argument});
        }
      } else if (std::string line; list_ && list_->next(line)) {
        if (line.empty()) continue;
        const std::size_t tab = line.find('\t');
        const std::string path = line.substr(0, tab);
        if (is_apple_double(path_of(path))) {  // `find` lists them too
          skipped_.add(path_of(path));
          continue;
        }
        if (open_tar(path)) continue;
        return numbered(Item{.path = path, .label = tab == std::string::npos ? "" : line.substr(tab + 1)});
      } else {
        return std::nullopt;
      }
    }
  }

  /// Files in the folders and tars so far that aren't read.
  const Skipped& skipped() const { return skipped_; }

  /// Ends a next() that waits for standard input, with Interrupted. From any thread.
  void stop() { stopping_ = true; }

 private:
  /// Whether it is a tar file; one that can't be opened is an error of the next item.
  bool open_tar(const std::string& path) {
    if (path != "-" && !is_tar_name(path_of(path))) return false;
    tar_.emplace(path, count_, wanted_, skipped_, stopping_);
    return true;
  }

  std::optional<Item> numbered(std::optional<Item> item) {
    item->index = count_++;
    return item;
  }

  std::deque<std::string> arguments_;
  Wanted wanted_;
  Skipped skipped_;
  std::atomic<bool> stopping_{false};
  std::optional<LineReader> list_;
  std::optional<FolderWalk> walk_;
  std::string folder_;  // of walk_, as the user wrote it
  std::optional<TarReader> tar_;
  std::int64_t count_ = 0;
};

}  // namespace programs
