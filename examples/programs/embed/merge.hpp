// The last step of a job: checks that no shard is missing, and lists the images that failed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../inputs/item.hpp"
#include "../output.hpp"
#include "../paths.hpp"
#include "done_shard.hpp"
#include "input_chain.hpp"
#include "shard_folder.hpp"
#include "task_inputs.hpp"

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

/// "missing shards 3, 7 and 8" or "missing all shards from 9 on"; empty if there are all shards, the last one included.
inline std::string missing_text(const std::set<std::int64_t>& found, bool has_last) {
  const std::int64_t end = found.empty() ? 0 : *found.rbegin() + 1;
  std::set<std::int64_t> missing;
  for (std::int64_t shard = 0; shard < end; ++shard) {
    if (!found.contains(shard)) missing.insert(shard);
  }
  if (!missing.empty()) return (missing.size() == 1 ? "missing shard " : "missing shards ") + list_text(missing);
  return has_last ? "" : "missing all shards from " + std::to_string(end) + " on";
}

/// Throws beit::ArgumentError unless a shard was made from the same input as the one before it. Records that are older
/// than the hashes aren't compared.
inline void require_same_input(const ShardFolder& folder, std::int64_t shard, const DoneShard& before,
                               const DoneShard& done) {
  const std::optional<ShardInput> first = before.input(), second = done.input();
  if (!first || !second || second->before == hash_with(*first)) return;
  std::string example;
  if (second->follows != first->ends_with) {
    example = "shard " + std::to_string(shard - 1) + " ends with '" + first->ends_with + "', and shard " +
              std::to_string(shard) + " was made to follow '" + second->follows + "'";
  } else {
    const std::vector<std::string> names = folder.names(shard - 1, before);
    const std::set<std::string> known(names.begin(), names.end());
    const std::vector<std::string> next = folder.names(shard, done);
    const auto twice = std::ranges::find_if(next, [&known](const std::string& name) { return known.contains(name); });
    example = twice != next.end() ? "'" + *twice + "' is in both"
                                  : "names or labels before '" + second->follows + "' were others";
  }
  throw beit::ArgumentError(name_of(folder.path()) + ": the tasks had different inputs for shards " +
                            std::to_string(shard - 1) + " and " + std::to_string(shard) + ": " + example +
                            ": run all tasks again with the same input, in another folder");
}

/// Throws beit::ArgumentError unless each task that came to its end saw the images that the shards hold.
inline void require_same_input(const ShardFolder& folder, const WholeInput& whole) {
  for (const auto& [task, input] : TaskInputs(folder).read()) {
    if (input.hash == whole.hash) continue;
    const auto text = [](const WholeInput& seen) {
      return counted(seen.images, "image") + " up to '" + seen.last + "'";
    };
    throw beit::ArgumentError(name_of(folder.path()) + ": the tasks had different inputs: task " +
                              std::to_string(task.index) + " of " + std::to_string(task.count) + " saw " + text(input) +
                              ", and the shards hold " + text(whole) + ": run that task again, with the same input");
  }
}

/// Writes OUT/failed.jsonl and removes files that killed processes left. Throws beit::Error and writes nothing if
/// shards are missing, damaged or from different jobs.
inline MergeResult merge(const ShardFolder& folder) {
  const Json job = folder.job_options();
  std::set<std::int64_t> found = folder.done_shards();
  const std::int64_t end = found.empty() ? 0 : *found.rbegin() + 1;
  MergeResult result;
  bool has_last = false;
  std::optional<DoneShard> before;
  beit::AtomicFile failed(folder.failed());
  for (std::int64_t shard = 0; shard < end; ++shard) {
    std::optional<DoneShard> done = folder.read_done(shard, job);
    if (!done) {
      found.erase(shard);
      before.reset();
      continue;
    }
    if (has_last)
      throw beit::ArgumentError(name_of(folder.path()) + ": the tasks had different inputs: for some of them, shard " +
                                std::to_string(shard - 1) + " was the last");
    if (before) require_same_input(folder, shard, *before, *done);
    has_last = done->last();
    ++result.shards;
    ++result.kernels[done->kernels()];
    result.images += done->images();
    for (const Json& object : done->failed()) {
      failed.write(json_line(object));  // which is escaped already
      ++result.failed;
    }
    before = std::move(done);
  }
  if (const std::string missing = missing_text(found, has_last); !missing.empty()) {
    throw beit::FileError(name_of(folder.path()) + ": incomplete: " + missing);
  }
  if (const std::optional<ShardInput> input = before->input()) {
    require_same_input(folder, {result.images, hash_with(*input), input->ends_with});
  }
  failed.close(beit::Sync::yes);
  TaskInputs(folder).forget({});  // the last shard has the same
  folder.remove_leftovers([](std::int64_t) { return true; });
  return result;
}

}  // namespace programs
