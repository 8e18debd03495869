// The last step of a job: checks that no shard is missing, and lists the images that failed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>

#include <beit/beit.hpp>

#include "../paths.hpp"
#include "shard_folder.hpp"

namespace programs {

struct MergeResult {
  std::int64_t shards = 0;
  std::int64_t images = 0;
  std::int64_t failed = 0;
  std::map<std::string, std::int64_t> kernels;  // shards that each level of kernels computed
};

/// "3, 7, 8 and 12 more"
inline std::string list_text(const std::set<std::int64_t>& numbers) {
  constexpr std::size_t shown = 10;
  std::string text;
  std::size_t count = 0;
  for (const std::int64_t number : numbers) {
    if (count == shown) return text.append(" and ").append(std::to_string(numbers.size() - shown)).append(" more");
    text.append(count++ == 0 ? "" : ", ").append(std::to_string(number));
  }
  return text;
}

/// Writes OUT/failed.jsonl and removes files that killed processes left. Throws beit::Error and writes nothing if
/// shards are missing, damaged or from different jobs.
inline MergeResult merge(const ShardFolder& folder) {
  const Json job = folder.job_options();
  std::set<std::int64_t> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder.done_folder(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::int64_t shard = ShardFolder::shard_of(entry->path());
    if (shard >= 0 && entry->path() == folder.done(shard)) found.insert(shard);
  }
  if (error) throw beit::FileError(name_of(folder.done_folder()) + ": can't be read: " + error.message());

  MergeResult result;
  std::set<std::int64_t> missing;
  bool has_last = false;
  beit::AtomicFile failed(folder.failed());
  for (std::int64_t shard = 0; !found.empty() && shard <= *found.rbegin(); ++shard) {
    const std::optional<Json> done = folder.read_done(shard, job);
    if (!done) {
      missing.insert(shard);
      continue;
    }
    if (has_last)
      throw beit::ArgumentError(name_of(folder.path()) + ": the tasks had different inputs: for some of them, shard " +
                                std::to_string(shard - 1) + " was the last");
    has_last = done->at("last").get<bool>();
    ++result.shards;
    ++result.kernels[done->at("kernels").get<std::string>()];
    result.images += done->at("images").get<std::int64_t>();
    for (const Json& object : done->at("failed")) {
      failed.write(json_line(object));
      ++result.failed;
    }
  }
  const std::string where = name_of(folder.path()) + ": incomplete: ";
  if (!missing.empty()) {
    throw beit::FileError(where + (missing.size() == 1 ? "missing shard " : "missing shards ") + list_text(missing));
  }
  if (!has_last) throw beit::FileError(where + "missing all shards from " + std::to_string(result.shards) + " on");
  failed.close(beit::Sync::yes);
  folder.remove_leftovers([](std::int64_t) { return true; });
  return result;
}

}  // namespace programs
