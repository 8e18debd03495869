// Reads a data set: a folder with one subfolder per class.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../inputs/sources.hpp"
#include "../output.hpp"
#include "../paths.hpp"

namespace programs {

struct DataSet {
  std::vector<std::string> classes;  // (K,), sorted
  std::vector<Item> items;           // (n,)
  std::vector<beit::Index> labels;   // (n,)
};

/// Lists the images of a data set. Files that aren't read are counted in `skipped`. Throws std::runtime_error if there
/// are fewer than two classes, or if one has no images.
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
  if (subfolders.size() < 2) {
    throw std::runtime_error(name_of(folder) + ": found " +
                             counted(static_cast<std::int64_t>(subfolders.size()), "subfolder") +
                             ", wanted at least 2, one per class");
  }
  DataSet data;
  for (const fs::path& subfolder : subfolders) {
    std::vector<Item> images = list_images({name_of(subfolder)}, skipped);
    if (!images.front().error.empty()) throw std::runtime_error(images.front().path + ": " + images.front().error);
    data.labels.insert(data.labels.end(), images.size(), static_cast<beit::Index>(data.classes.size()));
    data.classes.push_back(name_of(subfolder.filename()));
    std::move(images.begin(), images.end(), std::back_inserter(data.items));
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
