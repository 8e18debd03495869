// Reads embeddings as beit-embed writes them and as clip-retrieval and similar tools read them: a folder with
// OUT/img_emb/img_emb_00000.npy and, with one JSON object per row, OUT/metadata/metadata_00000.jsonl; or OUT.npy with
// OUT.txt.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../escaped.hpp"
#include "../paths.hpp"
#include "../row_lines.hpp"

namespace programs {

/// An image of the index.
struct Entry {
  std::string path;
  std::string label{};  // empty if unknown
};

class EmbeddingIndex {
 public:
  /// Opens every shard. Throws std::runtime_error or beit::FileError if there are none, or if one is damaged.
  explicit EmbeddingIndex(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) {
      add(path, fs::path(path).replace_extension(".txt"));
      return;
    }
    const fs::path folder = path / "img_emb";
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = name_of(entry->path().stem());
      if (name.starts_with(prefix) && entry->path().extension() == ".npy") names.push_back(name.substr(prefix.size()));
    }
    if (error) throw std::runtime_error(name_of(folder) + ": can't read the folder: " + error.message());
    if (names.empty()) throw std::runtime_error(name_of(folder) + ": found no img_emb_*.npy");
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      add(folder / (std::string(prefix) + name + ".npy"), path / "metadata" / ("metadata_" + name + ".jsonl"));
    }
  }

  beit::Index rows() const { return rows_; }
  beit::Index dim() const { return shards_.front().embeddings.cols(); }

  /// Calls `visit(rows)` with all rows, as below.
  template <typename Visit>
  void for_each_block(const Visit& visit) const {
    for_each_block(0, rows_, [&visit](beit::Index, const beit::ConstRows& rows) { visit(rows); });
  }

  /// Calls `visit(first, rows)` with the rows from `begin` to `end` in order, in blocks (n, C); `first` is the index of
  /// the first of them. Where it throws beit::ArgumentError for rows that aren't finite, this throws std::runtime_error
  /// with the file and the row.
  template <typename Visit>
  void for_each_block(beit::Index begin, beit::Index end, const Visit& visit) const {
    constexpr beit::Index block = 4096;
    beit::AlignedBuffer<float> buffer;
    for (const Shard& shard : shards_) {
      const beit::Index last = std::min(end - shard.first, shard.embeddings.rows());
      for (beit::Index row = std::max<beit::Index>(0, begin - shard.first); row < last; row += block) {
        const beit::Index count = std::min(block, last - row);
        const beit::ConstRows rows = shard.embeddings.read(row, count, buffer);
        try {
          visit(shard.first + row, rows);
        } catch (const beit::ArgumentError&) {
          require_finite(shard, row, rows);
          throw;
        }
        shard.embeddings.release(row, count);
      }
    }
  }

  /// Returns the entries of the given rows.
  std::map<beit::Index, Entry> entries(std::vector<beit::Index> rows) const {
    std::sort(rows.begin(), rows.end());
    std::map<beit::Index, Entry> found;
    auto next = rows.begin();
    for (const Shard& shard : shards_) {
      const beit::Index end = shard.first + shard.embeddings.rows();
      if (next == rows.end() || *next >= end) continue;
      RowLines lines(shard.names, shard.embeddings.rows());
      for (beit::Index row = shard.first; row < end && next != rows.end() && *next < end; ++row) {
        const std::string& line = lines.next();
        if (row != *next) continue;
        found[row] = entry_of(shard, lines, line);
        while (next != rows.end() && *next == row) ++next;
      }
    }
    return found;
  }

 private:
  static constexpr std::string_view prefix = "img_emb_";

  struct Shard {
    std::filesystem::path path;
    beit::MappedNpy embeddings;   // (n, C)
    std::filesystem::path names;  // one line per row
    beit::Index first;            // the index of its first row among all rows
  };

  void add(const std::filesystem::path& embeddings, const std::filesystem::path& names) {
    Shard shard{embeddings, beit::MappedNpy(embeddings), names, rows_};
    if (!shards_.empty() && shard.embeddings.cols() != dim()) {
      throw std::runtime_error(name_of(embeddings) + ": found " + std::to_string(shard.embeddings.cols()) +
                               " columns, wanted " + std::to_string(dim()) + " as in the shards before it");
    }
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(names, ignored)) {
      throw std::runtime_error(name_of(names) + ": found no such file, wanted the names of the embeddings");
    }
    rows_ += shard.embeddings.rows();
    shards_.push_back(std::move(shard));
  }

  /// Throws std::runtime_error if one of the shard's rows from `begin` on isn't finite.
  static void require_finite(const Shard& shard, beit::Index begin, const beit::ConstRows& rows) {
    for (beit::Index i = 0; i < rows.rows(); ++i) {
      if (rows.row(i).allFinite()) continue;
      RowLines lines(shard.names, shard.embeddings.rows());
      for (beit::Index line = 0; line < begin + i; ++line) lines.next();
      const Entry entry = entry_of(shard, lines, lines.next());
      throw std::runtime_error(name_of(shard.path) + ": row " + std::to_string(begin + i) + " (" + entry.path +
                               "): found NaN or infinity, wanted finite numbers");
    }
  }

  /// The entry in the line that `lines` has reached.
  static Entry entry_of(const Shard& shard, const RowLines& lines, const std::string& line) {
    if (shard.names.extension() != ".jsonl") return {unescaped(line)};
    std::optional<std::string> path = lines.text("path");
    if (!path) throw beit::FileError(lines.where() + ": found no \"path\"");
    return {unescaped(*path), unescaped(lines.text("label").value_or(""))};
  }

  std::vector<Shard> shards_;
  beit::Index rows_ = 0;
};

}  // namespace programs
