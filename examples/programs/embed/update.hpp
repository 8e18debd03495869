// Brings a folder of shards up to a changed input, and keeps the rows of images that are the same.
//
//   OUT/update/                 a folder of shards, which is written beside the old ones
//   OUT/update/complete.json    written when all of them are done; then they replace the old ones
//
// Until complete.json is there, the old shards are as they were. From then on, whatever happens, the next run ends the
// replacement first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../escaped.hpp"
#include "../inputs/item.hpp"
#include "../json_lines.hpp"
#include "../paths.hpp"
#include "../row_lines.hpp"
#include "done_shard.hpp"
#include "hash.hpp"
#include "shard_folder.hpp"

namespace programs {

/// The rows of a folder of shards, found by the name, size and time of the image's file.
class KeptRows {
 public:
  /// Reads the records of all shards that are done: 32 bytes of memory an image. Records of older versions have no
  /// sizes and times: nothing is found in them.
  KeptRows(const ShardFolder& folder, const Json& job) : folder_(folder) {
    for (const std::int64_t shard : folder.done_shards()) {
      if (const std::optional<DoneShard> done = folder.read_done(shard, job)) add(shard, *done);
    }
    std::ranges::sort(rows_);
  }

  std::optional<KeptRow> find(const std::string& path, const FileStamp& stamp) const {
    const auto found = std::ranges::lower_bound(rows_, key_of(path, stamp), {}, &Row::first);
    return found == rows_.end() || found->first != key_of(path, stamp) ? std::nullopt : std::optional(found->second);
  }

  /// An image as its shard has it; valid until the next call of read().
  struct Image {
    std::span<const float> numbers;
    beit::Index width, height;
    std::string kernels;
  };
  Image read(const KeptRow& place) {
    if (!open_ || open_->shard != place.shard) open_.emplace(folder_, place.shard);
    const auto row = static_cast<beit::Index>(place.row);
    const auto [width, height] = open_->sizes.at(static_cast<std::size_t>(row));
    return {{open_->rows.read(row, 1, buffer_).data(), static_cast<std::size_t>(open_->rows.cols())},
            width,
            height,
            kernels_.at(place.shard)};
  }

 private:
  using Key = std::array<std::uint64_t, 2>;
  using Row = std::pair<Key, KeptRow>;

  struct Open {
    Open(const ShardFolder& folder, std::int64_t number) : shard(number), rows(folder.embeddings(number)) {
      RowLines lines(folder.metadata(number), rows.rows());
      for (beit::Index row = 0; row < rows.rows(); ++row) {
        const Json object = Json::parse(lines.next(), nullptr, false);
        if (!object.is_object()) throw beit::FileError(lines.where() + ": found no JSON object");
        sizes.emplace_back(object.value("width", beit::Index{0}), object.value("height", beit::Index{0}));
      }
    }
    std::int64_t shard;
    beit::MappedNpy rows;
    std::vector<std::pair<beit::Index, beit::Index>> sizes;
  };

  static Key key_of(const std::string& path, const FileStamp& stamp) {
    Hash hash;
    hash.add(path);
    hash.add(&stamp, sizeof stamp);
    return hash.value();
  }

  void add(std::int64_t shard, const DoneShard& done) {
    const std::vector<std::size_t> failed = done.failed_places();
    const std::vector<std::string> names = folder_.names(shard, done);
    kernels_[shard] = done.kernels();
    std::int64_t row = 0;
    for (std::size_t place = 0; place < static_cast<std::size_t>(done.images()); ++place) {
      if (std::ranges::binary_search(failed, place)) continue;
      const std::optional<FileStamp> stamp = done.stamp_at(place);
      if (stamp)
        rows_.emplace_back(key_of(unescaped(names.at(static_cast<std::size_t>(row))), *stamp), KeptRow{shard, row});
      ++row;
    }
  }

  const ShardFolder& folder_;
  std::vector<Row> rows_;  // sorted
  std::map<std::int64_t, std::string> kernels_;
  std::optional<Open> open_;
  beit::AlignedBuffer<float> buffer_;
};

/// The folder in which the new shards are written.
inline ShardFolder update_of(const ShardFolder& folder) { return ShardFolder(folder.path() / "update"); }

/// Whether all new shards are done, and may be replacing the old ones.
inline bool is_update_complete(const ShardFolder& folder) {
  std::error_code ignored;
  return std::filesystem::exists(update_of(folder).path() / "complete.json", ignored);
}

/// Ends the replacement of old shards if all new ones are done. Throws beit::FileError if that fails.
inline void end_update(const ShardFolder& folder) {
  namespace fs = std::filesystem;
  const ShardFolder next = update_of(folder);
  const fs::path complete = next.path() / "complete.json";
  const std::optional<Json> record = ShardFolder::read_record(complete);
  if (!record) return;
  const auto check = [](const fs::path& path, const std::error_code& error) {
    if (error) throw beit::FileError(name_of(path) + ": can't be replaced: " + error.message());
  };
  const auto move = [&check](const fs::path& from, const fs::path& to) {
    std::error_code error;
    if (!fs::exists(from, error)) return;  // moved by a run that was killed
    fs::rename(from, to, error);
    check(to, error);
  };
  const auto shards = record->value("shards", std::int64_t{0});
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    move(next.embeddings(shard), folder.embeddings(shard));
    move(next.metadata(shard), folder.metadata(shard));
    move(next.done(shard), folder.done(shard));
  }
  std::error_code error;
  for (const fs::path& of : {folder.done(0), folder.metadata(0), folder.embeddings(0)}) {
    std::vector<fs::path> surplus;
    for (fs::directory_iterator entry(of.parent_path(), error), end; !error && entry != end; entry.increment(error)) {
      if (ShardFolder::shard_of(entry->path()) >= shards) surplus.push_back(entry->path());
    }
    check(of.parent_path(), error);
    for (const fs::path& path : surplus) {
      fs::remove(path, error);
      check(path, error);
    }
  }
  move(next.failed(), folder.failed());
  move(next.job(), folder.job());
  fs::remove(complete, error);
  check(complete, error);
  fs::remove_all(next.path(), error);
}

/// Says that all new shards are done, and replaces the old ones.
inline void replace_by_update(const ShardFolder& folder, std::int64_t shards) {
  write_synced(update_of(folder).path() / "complete.json", json_line(Json{{"shards", shards}}));
  end_update(folder);
}

}  // namespace programs
