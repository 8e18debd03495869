// Records of the input that each task of a job saw: all must have seen the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "folder_lock.hpp"
#include "input_chain.hpp"
#include "shard_folder.hpp"
#include "task.hpp"

namespace programs {

/// The records OUT/input-I-of-N.json that tasks write when they have seen all of the input, until the merge.
class TaskInputs {
 public:
  explicit TaskInputs(const ShardFolder& folder) : folder_(folder.path()) {}

  void write(const Task& task, const WholeInput& input) const {
    write_synced(path(task), json_text(Json{{"images", input.images}, {"hash", input.hash}, {"last", input.last}}));
  }

  /// The records of all tasks, in the order of their numbers.
  std::vector<std::pair<Task, WholeInput>> read() const {
    std::vector<std::pair<Task, WholeInput>> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::optional<Task> task = task_of_file(entry->path(), kind);
      if (!task || entry->path() != path(*task)) continue;
      if (const std::optional<Json> json = ShardFolder::read_record(entry->path())) {
        found.push_back(
            {*task, {json->value("images", std::int64_t{0}), json->value("hash", ""), json->value("last", "")}});
      }
    }
    std::ranges::sort(found, {}, [](const auto& pair) { return std::pair(pair.first.count, pair.first.index); });
    return found;
  }

  /// Removes the records of the tasks that share shards with `task`: it will write its own.
  void forget(const Task& task) const {
    for (const auto& [other, input] : read()) {
      std::error_code ignored;
      if (share_a_shard(task, other)) std::filesystem::remove(path(other), ignored);
    }
  }

 private:
  static constexpr const char* kind = "input";

  std::filesystem::path path(const Task& task) const { return folder_ / (task_file_name(task, kind) + ".json"); }

  std::filesystem::path folder_;
};

}  // namespace programs
