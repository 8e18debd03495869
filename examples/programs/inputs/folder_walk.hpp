// Lists the images and tar files in a folder and its subfolders, sorted by name.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../paths.hpp"
#include "item.hpp"
#include "skipped.hpp"
#include "tar_reader.hpp"

namespace programs {

/// The entries of a folder that are read besides images.
struct FolderContents {
  bool tars = true;
};

/// Walks through a folder in the order of names, files and subfolders together. Only the names in the folders that are
/// currently open are in memory. Links are followed, except to a folder that contains the link.
class FolderWalk {
 public:
  /// Files that aren't read are counted in `skipped`, which must outlive this.
  FolderWalk(const std::filesystem::path& root, FolderContents contents, Skipped& skipped)
      : contents_(contents), skipped_(skipped) {
    enter(root);
  }

  /// Returns the next file, or an error. The file's label is the name of the subfolder of `root` that contains it.
  std::optional<Item> next() {
    while (errors_.empty() && !open_.empty()) {
      Folder& folder = open_.back();
      if (folder.entries.empty()) {
        open_.pop_back();
        continue;
      }
      const Entry entry = std::move(folder.entries.back());
      folder.entries.pop_back();
      const std::filesystem::path path = folder.path / entry.name;
      if (entry.is_folder) {
        enter(path);
        continue;
      }
      found_ = true;
      return Item{.path = name_of(path), .label = open_.size() > 1 ? name_of(open_[1].path.filename()) : ""};
    }
    if (errors_.empty()) return std::nullopt;
    found_ = true;
    Item item = std::move(errors_.back());
    errors_.pop_back();
    return item;
  }

  /// Whether next() has returned anything.
  bool found() const { return found_; }

 private:
  struct Entry {
    std::filesystem::path name;
    bool is_folder;
  };
  struct Folder {
    std::filesystem::path path;
    std::vector<Entry> entries;  // those still to come, in reverse order
  };

  void enter(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    Folder folder{path, {}};
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      std::error_code ignored;
      const fs::file_type type = entry->status(ignored).type();
      const bool is_folder = type == fs::file_type::directory;
      // A broken link is kept, so that its error is reported.
      const bool is_file = type == fs::file_type::regular || type == fs::file_type::not_found;
      const fs::path name = entry->path().filename();
      if (is_folder && is_apple_double(name)) {
        skipped_.add_apple_folder(entry->path());
      } else if (is_folder) {
        if (!entry->is_symlink(ignored) || !is_open(entry->path())) folder.entries.push_back({name, true});
      } else if (is_file && (is_image_file(name) || (contents_.tars && is_tar_name(name) && !is_apple_double(name)))) {
        folder.entries.push_back({name, false});
      } else if (is_file) {
        skipped_.add(name);
      }
    }
    if (error) {
      errors_.push_back({.path = name_of(path), .error = "can't read the folder: " + error.message()});
      return;
    }
    std::sort(folder.entries.begin(), folder.entries.end(),
              [](const Entry& a, const Entry& b) { return b.name.native() < a.name.native(); });
    open_.push_back(std::move(folder));
  }

  /// Whether the folder is already open. A link to a folder that contains it would be followed for ever.
  bool is_open(const std::filesystem::path& path) const {
    return std::any_of(open_.begin(), open_.end(), [&path](const Folder& folder) {
      std::error_code ignored;
      return std::filesystem::equivalent(folder.path, path, ignored);
    });
  }

  FolderContents contents_;
  Skipped& skipped_;
  std::vector<Folder> open_;  // from the root down
  std::vector<Item> errors_;
  bool found_ = false;
};

}  // namespace programs
