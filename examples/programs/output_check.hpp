// Refuses outputs that would lose something: a file that is also an input or another output, or that none of the
// programs wrote.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <beit/beit.hpp>

#include "inputs/skipped.hpp"
#include "paths.hpp"

namespace programs {

enum class OutputKind { folder, array, named_array, png, svg, html, model, job, failures };

/// A file or folder that a program is about to write; none if the path is empty.
struct OutputName {
  const char* option;  // for messages
  std::filesystem::path path;
  OutputKind kind;
};

/// How the programs' files of a kind begin: with `start`, and with `mark` among the first 512 bytes. None but these are
/// replaced without --force. NumPy writes arrays with the same beginning as the programs do.
struct Beginning {
  OutputKind kind;
  std::string_view start, mark;
};
inline constexpr std::array beginnings{
    Beginning{OutputKind::array, "\x93NUMPY", ""},
    Beginning{OutputKind::png, "\x89PNG\r\n\x1A\n", {"tEXtSoftware\0BEIT", 17}},
    Beginning{OutputKind::svg, "<svg ", "<!-- beit-embed -->"},
    Beginning{OutputKind::html, "<!DOCTYPE html>", "<meta name=\"generator\" content=\"beit-search\">"},
    Beginning{OutputKind::model, "", "{\"__metadata__\":{\"beit.added\":\"head\""},
    Beginning{OutputKind::job, "{", "\"beit-embed "},
    Beginning{OutputKind::failures, "{\"path\":", ""},
};

/// OUT.npy, and OUT.txt, which has the names of its rows.
inline std::vector<OutputName> with_names(const char* option, const std::string& array) {
  const std::filesystem::path path = path_of(array);
  const std::filesystem::path names = array.empty() ? path : std::filesystem::path(path).replace_extension(".txt");
  return {{option, path, OutputKind::named_array}, {option, names, OutputKind::named_array}};
}

/// The names of the outputs, for messages.
inline std::vector<std::string> names_of(const std::vector<OutputName>& outputs) {
  std::vector<std::string> names;
  for (const OutputName& output : outputs) names.push_back(name_of(output.path));
  return names;
}

namespace detail {

inline std::string first_bytes(const std::filesystem::path& path) {
  std::string bytes(512, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

/// Whether OUT.npy is an array and OUT.txt has one line for each of its rows; `path` is either.
inline bool has_line_per_row(const std::filesystem::path& path) {
  const std::string header = first_bytes(std::filesystem::path(path).replace_extension(".npy"));
  constexpr std::string_view shape = "'shape': (";
  const std::size_t at = header.find(shape);
  if (!header.starts_with("\x93NUMPY") || at == header.npos) return false;
  std::int64_t rows = -1;
  std::from_chars(header.data() + at + shape.size(), header.data() + header.size(), rows);
  std::ifstream names(std::filesystem::path(path).replace_extension(".txt"), std::ios::binary);
  return std::count(std::istreambuf_iterator<char>(names), {}, '\n') == rows;
}

/// Whether a file is as one of the programs writes it, or empty.
inline bool is_ours(const OutputName& output) {
  const std::string bytes = first_bytes(output.path);
  if (bytes.empty()) return true;
  if (output.kind == OutputKind::named_array) return has_line_per_row(output.path);
  return std::any_of(beginnings.begin(), beginnings.end(), [&](const Beginning& row) {
    return row.kind == output.kind && bytes.starts_with(row.start) && bytes.find(row.mark) != bytes.npos;
  });
}

/// Whether `path` is `folder` or lies in it, or would if it existed.
inline bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path inner = std::filesystem::weakly_canonical(path, ignored);
  const std::filesystem::path outer = std::filesystem::weakly_canonical(folder, ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// The files that an input stands for and that an output might replace: the file itself, or standard input, and of a
/// folder the files directly in it that end as the output does, such as a model's.
inline std::vector<std::filesystem::path> files_of(const std::string& input, const OutputName& output) {
  const std::filesystem::path path = path_of(input == "-" ? "/dev/stdin" : input);
  std::vector<std::filesystem::path> files{path};
  if (output.kind == OutputKind::folder) return files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == output.path.extension()) files.push_back(entry->path());
  }
  return files;
}

inline void require_no_input(const OutputName& output, const std::string& input) {
  std::error_code ignored;
  const std::string found = std::string(output.option) + ": found " + name_of(output.path);
  if (is_image_file(output.path) && std::filesystem::is_directory(path_of(input), ignored) &&
      is_inside(output.path, path_of(input))) {
    throw beit::ArgumentError(found + " in the folder of images " + input + ", wanted a name outside of it");
  }
  if (!std::filesystem::exists(output.path, ignored)) return;
  for (const std::filesystem::path& file : files_of(input, output)) {
    if (std::filesystem::equivalent(output.path, file, ignored)) {
      throw beit::ArgumentError(found + ", which is an input too (" + name_of(file) + "), wanted another name");
    }
  }
}

inline void require_different(const std::vector<OutputName>& outputs) {
  std::map<std::filesystem::path, const char*> option_of;
  for (const OutputName& output : outputs) {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::weakly_canonical(output.path, error);
    if (output.path.empty() || error) continue;  // a name with an error can't be written, which is said later
    const auto [other, is_new] = option_of.emplace(path, output.option);
    if (is_new) continue;
    throw beit::ArgumentError(std::string(output.option) + ": found " + name_of(output.path) + ", which " +
                              other->second + " writes too, wanted another name");
  }
}

}  // namespace detail

/// Throws beit::Error if two outputs are the same file; if an output is one of the `inputs` (files, folders or "-"), by
/// whatever name or link; if it would become an image in a folder of inputs; or, unless `force`, if none of the
/// programs wrote the file that it replaces.
inline void check_outputs(const std::vector<OutputName>& outputs, const std::vector<std::string>& inputs, bool force) {
  detail::require_different(outputs);
  for (const OutputName& output : outputs) {
    if (output.path.empty()) continue;
    for (const std::string& input : inputs) {
      if (!input.empty()) detail::require_no_input(output, input);
    }
    std::error_code ignored;
    if (force || !std::filesystem::is_regular_file(output.path, ignored) || detail::is_ours(output)) continue;
    const bool is_pair = output.kind == OutputKind::named_array;
    throw beit::FileError(std::string(output.option) + ": found " + name_of(output.path) +
                          ", a file that isn't as the programs write it" +
                          (is_pair ? " (OUT.npy, and OUT.txt with a line for each row)" : "") +
                          ", wanted a new name (or --force to replace it)");
  }
}

}  // namespace programs
