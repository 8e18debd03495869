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
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
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

/// The inputs that an output might replace. They are looked up by size and time, which all names of a file share,
/// because there may be many thousands of both.
class Inputs {
 public:
  Inputs(const std::vector<std::string>& inputs, const std::vector<OutputName>& outputs) {
    std::error_code error;
    std::set<std::filesystem::path> extensions;
    for (const OutputName& output : outputs) {
      if (std::filesystem::is_regular_file(output.path, error)) extensions.insert(output.path.extension());
    }
    for (const std::string& input : inputs) {
      if (input.empty()) continue;
      const std::filesystem::path path = path_of(input == "-" ? "/dev/stdin" : input);
      add(path);
      if (!std::filesystem::is_directory(path, error)) continue;
      folders_.push_back(path);
      if (extensions.empty()) continue;
      // A folder stands for the files directly in it that end as an output does, such as a model's.
      for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
           entry.increment(error)) {
        std::error_code ignored;
        if (extensions.contains(entry->path().extension()) && !entry->is_directory(ignored)) add(entry->path());
      }
    }
  }

  /// Throws ArgumentError if an output is an input, or would become an image in a folder of inputs.
  void require_not(const OutputName& output) const {
    const std::string found = std::string(output.option) + ": found " + name_of(output.path);
    if (is_image_file(output.path)) {
      for (const std::filesystem::path& folder : folders_) {
        if (!is_inside(output.path, folder)) continue;
        throw beit::ArgumentError(found + " in the folder of images " + name_of(folder) +
                                  ", wanted a name outside of it");
      }
    }
    std::error_code ignored;
    if (!std::filesystem::exists(output.path, ignored)) return;
    const auto [begin, end] = files_.equal_range(stamp_of(output.path));
    for (auto file = begin; file != end; ++file) {
      if (!std::filesystem::equivalent(output.path, file->second, ignored)) continue;
      throw beit::ArgumentError(found + ", which is an input too (" + name_of(file->second) + "), wanted another name");
    }
  }

 private:
  using Stamp = std::pair<std::uintmax_t, std::filesystem::file_time_type>;  // size and time; of the error without them

  static Stamp stamp_of(const std::filesystem::path& path) {
    std::error_code ignored;
    return {std::filesystem::file_size(path, ignored), std::filesystem::last_write_time(path, ignored)};
  }
  void add(const std::filesystem::path& path) { files_.emplace(stamp_of(path), path); }

  std::vector<std::filesystem::path> folders_;
  std::multimap<Stamp, std::filesystem::path> files_;
};

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
  const detail::Inputs replaceable(inputs, outputs);
  for (const OutputName& output : outputs) {
    if (output.path.empty()) continue;
    replaceable.require_not(output);
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
