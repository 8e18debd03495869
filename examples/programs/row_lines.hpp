// Reads the lines that belong to rows of embeddings, from metadata_00000.jsonl or OUT.txt.
#pragma once

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <beit/beit.hpp>
#include <beit/io/json.hpp>

#include "paths.hpp"

namespace programs {

/// Reads a text file that has one line for each of `rows` rows.
class RowLines {
 public:
  RowLines(std::filesystem::path path, beit::Index rows)
      : path_(std::move(path)), stream_(path_, std::ios::binary), rows_(rows) {
    if (!stream_) fail(errno);
  }

  /// Moves on to the next row's line. Throws beit::FileError at the end of the file, or if it can't be read.
  const std::string& next() {
    if (!std::getline(stream_, line_)) {
      if (stream_.bad()) fail(errno);
      throw beit::FileError(name_of(path_) + ": found " + std::to_string(read_) + " lines, wanted one for each of " +
                            std::to_string(rows_) + " rows");
    }
    ++read_;
    return line_;
  }

  /// The string under `key` in this line's JSON object, if there is one. Throws beit::FileError if the line isn't an
  /// object.
  std::optional<std::string> text(const char* key) const {
    const nlohmann::json object = beit::parse_json(line_, where());
    if (!object.is_object()) throw beit::FileError(where() + ": found no JSON object");
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  }

  /// The place of this line, for messages.
  std::string where() const { return name_of(path_) + ": line " + std::to_string(read_); }

 private:
  [[noreturn]] void fail(int code) const {
    throw beit::FileError(name_of(path_) + ": can't be read: " + std::generic_category().message(code));
  }

  std::filesystem::path path_;
  std::ifstream stream_;
  beit::Index rows_, read_ = 0;
  std::string line_;
};

}  // namespace programs
