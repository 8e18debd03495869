// Names the files that a program writes for each image.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>
#include <beit/image/formats.hpp>

#include "inputs/item.hpp"
#include "output_check.hpp"
#include "paths.hpp"

namespace programs {

/// An option that names the file of one image, or a folder with a file for each image.
struct PerImageOutput {
  const char* option;     // for messages
  const char* extension;  // of the files, with the dot: ".png"
  OutputKind kind;
  std::string name{};  // as given; empty: nothing is written

  bool is_given() const { return !name.empty(); }
  /// Whether the name is that of one file, not that of a folder.
  bool is_file() const { return path_of(name).extension() == extension; }
  /// One of the files, to be checked by check_outputs.
  OutputName named(const std::filesystem::path& file) const { return {option, file, kind}; }
};

/// Throws a usage error if a given name is that of another kind of file, or of one file for several images.
inline void require_name(const PerImageOutput& output, const std::vector<std::string>& images) {
  const std::filesystem::path path = path_of(output.name);
  const std::string found = std::string(output.option) + ": found '" + output.name + "'";
  if (!output.is_file() && (!output.is_given() || beit::is_image_name(path) || path.extension() == ".npy")) {
    throw CLI::ValidationError(found + ", wanted a name in " + output.extension + ", or a folder");
  }
  if (output.is_file() && images.size() > 1) {
    throw CLI::ValidationError(found + " and several images, wanted a folder");
  }
}

namespace detail {

/// The absolute path of an image.
inline std::filesystem::path absolute_path(const Item& image) {
  return std::filesystem::absolute(path_of(image.path)).lexically_normal();
}

/// The innermost folder that contains all images.
inline std::filesystem::path common_folder(const std::vector<Item>& images) {
  std::filesystem::path common = absolute_path(images.front()).parent_path();
  for (const Item& image : images) {
    const std::filesystem::path path = absolute_path(image);
    const auto end = std::mismatch(common.begin(), common.end(), path.begin(), path.end()).first;
    std::filesystem::path shared;
    for (auto part = common.begin(); part != end; ++part) shared /= *part;
    common = shared;
  }
  return common;
}

}  // namespace detail

/// Returns the file to write for each of the images, of which there is at least one; empty names if none is asked for.
/// In a folder, files have the names that the images have below the folder that contains all of them. Throws
/// ArgumentError if there are several images and one file, or if two images would have the same file.
inline std::vector<std::filesystem::path> files_for(const PerImageOutput& output, const std::vector<Item>& images) {
  if (!output.is_given()) return std::vector<std::filesystem::path>(images.size());
  const std::string option = std::string(output.option) + ": found ";
  if (output.is_file()) {
    if (images.size() == 1) return {path_of(output.name)};
    throw beit::ArgumentError(option + "'" + output.name + "' and " + std::to_string(images.size()) +
                              " images, wanted a folder for their files, a name without " + output.extension);
  }
  const std::filesystem::path common = detail::common_folder(images);
  std::map<std::filesystem::path, std::string> image_of;
  std::vector<std::filesystem::path> files;
  for (const Item& image : images) {
    std::filesystem::path name = detail::absolute_path(image).lexically_relative(common);
    files.push_back(path_of(output.name) / name.replace_extension(output.extension));
    const auto [found, is_new] = image_of.emplace(files.back(), image.path);
    if (!is_new) {
      throw beit::ArgumentError(option + "one file, " + name_of(files.back()) + ", for " + found->second + " and " +
                                image.path + ", wanted images of different names");
    }
  }
  return files;
}

/// Makes the folder of one of files_for(output, ...), unless the output is one file. Throws FileError.
inline void make_folder(const PerImageOutput& output, const std::filesystem::path& file) {
  if (!output.is_given() || output.is_file()) return;
  std::error_code error;
  if (std::filesystem::create_directories(file.parent_path(), error); error) {
    throw beit::FileError(name_of(file.parent_path()) + ": can't make the folder: " + error.message());
  }
}

}  // namespace programs
