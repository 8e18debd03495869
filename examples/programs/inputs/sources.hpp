// Finds the images that the command line names.
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
#include "file_stamp.hpp"
#include "folder_walk.hpp"
#include "item.hpp"
#include "line_reader.hpp"
#include "tar_reader.hpp"

namespace programs {

/// The inputs that the user names: first the arguments (images, tar files and folders), then the lines of a list
/// (images and tar files).
struct InputNames {
  std::vector<std::string> arguments;  // "-" for a tar file from standard input
  std::string list{};                  // "-" for standard input, "" for none
  bool null = false;                   // whether the lines of the list end with zero bytes, and have no labels
  FolderContents folders{};            // if tars are off, an argument with a tar file's name is taken for an image
};

/// Finds images one at a time, the same ones in the same order for every task.
class Sources : public ItemSource {
 public:
  /// Only those images in tar files that are `wanted` get their bytes. Files in folders and tar files that aren't read
  /// are counted in `skipped`, which must outlive this. Throws beit::FileError if the list can't be opened.
  Sources(const InputNames& names, Wanted wanted, Skipped& skipped)
      : arguments_(names.arguments.begin(), names.arguments.end()),
        contents_(names.folders),
        wanted_(std::move(wanted)),
        skipped_(skipped) {
    if (!names.list.empty()) list_.emplace(names.list, names.null, stopping_);
  }

  std::optional<Item> next() override {
    for (;;) {
      if (tar_) {
        if (std::optional<Item> item = tar_->next()) {
          item->is_member = true;
          item->stamp = tar_stamp_;
          return numbered(std::move(item));
        }
        tar_.reset();
      } else if (walk_) {
        if (std::optional<Item> item = walk_->next()) {
          if (!item->error.empty() || !open_tar(item->path)) return numbered(std::move(item));
          continue;
        }
        const bool found = walk_->found();
        walk_.reset();
        if (!found) {
          return numbered(Item{
              .path = folder_,
              .error = "found no image files in the folder" + (skipped_.has(parquet) ? parquet_advice : std::string()),
              .unseen = true,
              .is_image = false});
        }
      } else if (!arguments_.empty()) {
        const std::string argument = std::move(arguments_.front());
        arguments_.pop_front();
        std::error_code error;
        const std::filesystem::file_status status = std::filesystem::status(path_of(argument), error);
        if (std::filesystem::is_directory(status)) {
          folder_ = argument;
          walk_.emplace(path_of(argument), contents_, skipped_);
        } else if (argument.empty()) {
          return numbered(Item{.error = "found an empty name, wanted an image or a folder", .unseen = true});
        } else if (argument != "-" && error && status.type() != std::filesystem::file_type::not_found) {
          skipped_.add_unreachable();
          return numbered(Item{.path = argument, .error = "can't be looked at: " + error.message(), .unseen = true});
        } else if (!open_tar(argument)) {
          return numbered(Item{.path = argument, .unseen = !std::filesystem::exists(status)});
        }
      } else if (std::string line; list_ && list_->next(line)) {
        if (line.empty()) continue;
        const std::size_t tab = list_->is_null() ? std::string::npos : line.find('\t');
        const std::string path = line.substr(0, tab);
        if (is_apple_double(path_of(path))) {  // `find` lists these too
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

  void stop() override { stopping_ = true; }

 private:
  /// Opens a tar file. Returns false for any other file. If it can't be opened, the next item is an error.
  bool open_tar(const std::string& path) {
    if (!contents_.tars || (path != "-" && !is_tar_name(path_of(path)))) return false;
    std::error_code ignored;
    tar_stamp_ = path == "-" ? std::nullopt : stamp_of(path_of(path), ignored);
    tar_.emplace(path, count_, wanted_, skipped_, stopping_);
    return true;
  }

  std::optional<Item> numbered(std::optional<Item> item) {
    if (item->error.empty() && item->path.ends_with(parquet)) item->error = "is no image" + parquet_advice;
    item->index = count_++;
    return item;
  }

  static constexpr const char* parquet = ".parquet";
  static inline const std::string parquet_advice =
      ": images inside parquet files can't be read; img2dataset writes tar files with --output_format webdataset";

  std::deque<std::string> arguments_;
  FolderContents contents_;
  Wanted wanted_;
  Skipped& skipped_;
  std::atomic<bool> stopping_{false};
  std::optional<LineReader> list_;
  std::optional<FolderWalk> walk_;
  std::string folder_;  // the folder of walk_, as the user wrote it
  std::optional<TarReader> tar_;
  std::optional<FileStamp> tar_stamp_;
  std::int64_t count_ = 0;
};

/// For reading all images in tar files.
inline bool all_wanted(std::int64_t) { return true; }

/// Lists the images that the arguments name, and those in folders and their subfolders, in order.
inline std::vector<Item> list_images(const std::vector<std::string>& arguments, Skipped& skipped) {
  Sources sources({.arguments = arguments, .folders = {.tars = false}}, all_wanted, skipped);
  std::vector<Item> items;
  while (std::optional<Item> item = sources.next()) items.push_back(std::move(*item));
  return items;
}

}  // namespace programs
