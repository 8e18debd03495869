// Lists the images and tar files in a folder and its subfolders, sorted by name.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
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
/// currently open are in memory. Links are followed, except to a folder that is already open.
class FolderWalk {
 public:
  /// Counts in `skipped`, which must outlive this, the files that aren't read and those that the system says nothing
  /// of.
  FolderWalk(const std::filesystem::path& root, FolderContents contents, Skipped& skipped)
      : contents_(contents), skipped_(skipped) {
    enter(root, false);
  }

  /// Returns the next file, or an error. The file's label is the name of the subfolder of `root` that contains it.
  std::optional<Item> next() {
    while (!failed_ && !open_.empty()) {
      Folder& folder = open_.back();
      if (folder.entries.empty()) {
        open_.pop_back();
        continue;
      }
      const Entry entry = std::move(folder.entries.back());
      folder.entries.pop_back();
      const std::filesystem::path path = folder.path / entry.name;
      if (entry.is_folder) {
        enter(path, entry.is_linked);
        continue;
      }
      found_ = true;
      Item item{.path = name_of(path), .label = open_.size() > 1 ? name_of(open_[1].path.filename()) : ""};
      const std::string& error = entry.error.empty() ? folder.error : entry.error;
      return error.empty() ? item : unreachable(std::move(item), "can't be looked at: " + error);
    }
    return std::exchange(failed_, std::nullopt);
  }

  /// Whether next() has returned anything.
  bool found() const { return found_; }

 private:
  struct Entry {
    std::filesystem::path name;
    bool is_folder = false;
    bool is_linked = false;  // a folder that is a link, or is below one
    std::string error{};     // why the system can't say what it is
  };
  struct Folder {
    std::filesystem::path path;
    bool is_linked;
    std::vector<Entry> entries{};  // those still to come, in reverse order
    std::string error{};           // why the folder can't be searched although its names can be read
  };

  void enter(const std::filesystem::path& path, bool is_linked) {
    namespace fs = std::filesystem;
    open_.push_back({path, is_linked});
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) add(*entry);
    if (error) {
      open_.pop_back();
      found_ = true;
      failed_ = unreachable({.path = name_of(path), .is_image = false}, "can't read the folder: " + error.message());
      return;
    }
    Folder& folder = open_.back();
    if (std::ignore = fs::status(path / ".", error); error) folder.error = error.message();
    std::sort(folder.entries.begin(), folder.entries.end(),
              [](const Entry& a, const Entry& b) { return b.name.native() < a.name.native(); });
  }

  /// Adds an entry to the folder that was opened last, unless it isn't read.
  void add(const std::filesystem::directory_entry& entry) {
    namespace fs = std::filesystem;
    Folder& folder = open_.back();
    fs::path name = entry.path().filename();
    std::error_code error, ignored;
    const fs::file_type type = type_of(entry, error);
    if (type == fs::file_type::directory) {
      const bool is_linked = folder.is_linked || entry.is_symlink(ignored);
      if (is_apple_double(name)) {
        skipped_.add_apple_folder(entry.path());
      } else if (!is_linked || !is_open(entry.path())) {
        folder.entries.push_back({.name = std::move(name), .is_folder = true, .is_linked = is_linked});
      }
    } else if (error && type != fs::file_type::not_found) {
      folder.entries.push_back({.name = std::move(name), .error = error.message()});
    } else if (type == fs::file_type::regular || type == fs::file_type::not_found) {
      // A broken link is kept, so that its error is reported.
      if (is_image_file(name) || (contents_.tars && is_tar_name(name) && !is_apple_double(name))) {
        folder.entries.push_back({.name = std::move(name)});
      } else {
        skipped_.add(name);
      }
    }
  }

  /// The type of an entry, or that of the file to which it links. On most systems a folder has the types of its entries
  /// beside their names, and only links cost a call.
  static std::filesystem::file_type type_of(const std::filesystem::directory_entry& entry, std::error_code& error) {
    namespace fs = std::filesystem;
    if (entry.is_regular_file(error)) return fs::file_type::regular;
    if (!error && entry.is_directory(error)) return fs::file_type::directory;
    return entry.status(error).type();
  }

  /// Whether the folder is already open. A link to a folder that contains it would be followed for ever.
  bool is_open(const std::filesystem::path& path) const {
    return std::any_of(open_.begin(), open_.end(), [&path](const Folder& folder) {
      std::error_code ignored;
      return std::filesystem::equivalent(folder.path, path, ignored);
    });
  }

  Item unreachable(Item item, std::string error) {
    skipped_.add_unreachable();
    item.error = std::move(error);
    item.unseen = true;
    return item;
  }

  FolderContents contents_;
  Skipped& skipped_;
  std::vector<Folder> open_;    // from the root down
  std::optional<Item> failed_;  // the folder that couldn't be read, until next() has returned it
  bool found_ = false;
};

}  // namespace programs
