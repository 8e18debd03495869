// Reads a data set: a folder with one subfolder per class.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../escaped.hpp"
#include "../inputs/folder_walk.hpp"
#include "../inputs/item.hpp"
#include "../inputs/skipped.hpp"
#include "../paths.hpp"

namespace programs {

struct DataSet {
  std::vector<std::string> classes;  // (K,), sorted
  std::vector<Item> items;           // (n,)
  std::vector<beit::Index> labels;   // (n,)

  /// The number of images of each class, (K,).
  std::vector<beit::Index> images() const {
    std::vector<beit::Index> counts(classes.size());
    for (const beit::Index label : labels) ++counts[static_cast<std::size_t>(label)];
    return counts;
  }

  /// Removes the classes without images, and returns their names.
  std::vector<std::string> drop_empty_classes() {
    const std::vector<beit::Index> counts = images();
    std::vector<std::string> kept, dropped;
    std::vector<beit::Index> moved(classes.size());
    for (std::size_t c = 0; c < classes.size(); ++c) {
      moved[c] = std::ssize(kept);
      (counts[c] > 0 ? kept : dropped).push_back(classes[c]);
    }
    for (beit::Index& label : labels) label = moved[static_cast<std::size_t>(label)];
    classes = std::move(kept);
    return dropped;
  }
};

/// The inputs that a data set in `folder` stands for: the folders of its classes, and all images.
inline std::vector<std::string> inputs_of(const std::string& folder, const DataSet& data) {
  std::vector<std::string> inputs;
  for (const std::string& label : data.classes) inputs.push_back(name_of(path_of(folder) / path_of(label)));
  for (const Item& item : data.items) inputs.push_back(item.path);
  return inputs;
}

/// Lists the images of a data set: the subfolders of `folder` are its classes, and each is searched recursively. Files
/// that aren't read are counted in `skipped`. A class may have no images. Throws std::runtime_error if the folder can't
/// be read.
inline DataSet read_data_set(const std::filesystem::path& folder, Skipped& skipped) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> subfolders;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored)) {
      skipped.add(entry->path().filename());
    } else if (is_apple_double(entry->path().filename())) {
      skipped.add_apple_folder(entry->path());
    } else if (name_of(entry->path().filename()).starts_with('.')) {
      skipped.add_folder();
    } else {
      subfolders.push_back(entry->path());
    }
  }
  if (error) throw std::runtime_error(name_of(folder) + ": can't read the folder: " + error.message());
  std::sort(subfolders.begin(), subfolders.end());
  DataSet data;
  for (const fs::path& subfolder : subfolders) {
    FolderWalk walk(subfolder, {.tars = false}, skipped);
    while (std::optional<Item> item = walk.next()) {
      data.items.push_back(std::move(*item));
      data.labels.push_back(std::ssize(data.classes));
    }
    data.classes.push_back(escaped(name_of(subfolder.filename())));
  }
  return data;
}

/// Throws std::runtime_error unless both data sets have the same classes.
inline void require_same_classes(const std::vector<std::string>& train, const std::vector<std::string>& val,
                                 const std::string& name) {
  const auto missing = [](const std::vector<std::string>& from, const std::vector<std::string>& in) {
    for (const std::string& label : from) {
      if (!std::binary_search(in.begin(), in.end(), label)) return label;
    }
    return std::string();
  };
  if (const std::string label = missing(train, val); !label.empty()) {
    throw std::runtime_error(name + ": found no class '" + label + "', wanted the same classes as for training");
  }
  if (const std::string label = missing(val, train); !label.empty()) {
    throw std::runtime_error(name + ": found the class '" + label + "', wanted the same classes as for training");
  }
}

}  // namespace programs
