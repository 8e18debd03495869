// Decides which images this process handles, and where the shards of the output begin and end.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <beit/beit.hpp>

#include "../inputs/item.hpp"
#include "../inputs/sources.hpp"
#include "../paths.hpp"
#include "hash.hpp"
#include "shard_folder.hpp"
#include "task.hpp"

namespace programs {

/// Returns the images of this task's shards that aren't done yet, and marks the ends of shards. Shard k has the images
/// k * shard_size to (k + 1) * shard_size - 1 of the input, whatever the number of tasks, so that any task can finish
/// what another has left undone.
class Plan : public ItemSource {
 public:
  /// Plans one output with all images.
  explicit Plan(const InputNames& names) : Plan(names, nullptr, {}, std::numeric_limits<std::int64_t>::max(), {}) {}
  /// Plans the shards of `folder`, which must outlive the plan.
  Plan(const InputNames& names, const ShardFolder& folder, Json job, std::int64_t shard_size, Task task)
      : Plan(names, &folder, std::move(job), shard_size, task) {}

  /// Throws beit::Error if a shard that is done has other images than it would have now.
  std::optional<Item> next() override {
    for (;;) {
      if (!started_) ahead_ = sources_.next();
      started_ = true;
      if (!ahead_) return std::nullopt;
      Item item = *std::exchange(ahead_, sources_.next());
      const std::int64_t shard = item.index / shard_size_;
      item.ends_input = !ahead_;
      item.ends_shard = !ahead_ || ahead_->index / shard_size_ != shard;
      names_.add(item.path);
      names_.add(item.label);
      if (item.ends_shard) {
        ++shards_;
        item.shard_contents = names_.hex();
        names_.reset();
      }
      const State state = state_of(shard);
      if (item.ends_shard) states_.erase(shard);
      if (state.todo) return item;
      ++skipped_;
      if (item.ends_shard) skip(shard, item, state);
    }
  }

  void stop() override { sources_.stop(); }
  /// The number of images that next() has passed over.
  std::int64_t skipped() const { return skipped_; }
  /// The files in folders and tars that aren't read; complete once next() has reached the end.
  const Skipped& skipped_files() const { return skipped_files_; }
  /// The number of shards of all tasks; complete once next() has reached the end.
  std::int64_t shards() const { return shards_; }
  std::int64_t shards_done_before() const { return shards_done_before_; }

 private:
  struct State {
    bool todo = true;
    std::optional<std::string> contents{};  // set if the shard is done
    bool last = false;                      // whether it was the last one of all when it was done
  };

  Plan(const InputNames& names, const ShardFolder* folder, Json job, std::int64_t shard_size, Task task)
      : folder_(folder),
        job_(std::move(job)),
        shard_size_(shard_size),
        task_(task),
        sources_(
            names, [this](std::int64_t index) { return state_of(index / shard_size_).todo; }, skipped_files_) {}

  const State& state_of(std::int64_t shard) {
    const auto [found, is_new] = states_.try_emplace(shard);
    State& state = found->second;
    if (!is_new || folder_ == nullptr) return state;
    if (shard % task_.count != task_.index) {
      state.todo = false;
    } else if (const std::optional<Json> done = folder_->read_done(shard, job_)) {
      state = {false, done->value("contents", ""), done->value("last", false)};
    }
    return state;
  }

  void skip(std::int64_t shard, const Item& item, const State& state) {
    if (!state.contents) return;
    ++shards_done_before_;
    if (*state.contents == item.shard_contents && state.last == item.ends_input) return;
    throw beit::ArgumentError(name_of(folder_->path()) + ": the input has changed since shard " +
                              std::to_string(shard) + " was written: use the same input, or another folder");
  }

  const ShardFolder* folder_;
  Json job_;
  std::int64_t shard_size_;
  Task task_;
  std::map<std::int64_t, State> states_;  // of the shard that next() is in, and those that the sources have read ahead
  Skipped skipped_files_;
  Sources sources_;
  bool started_ = false;
  std::optional<Item> ahead_;
  Hash names_;
  std::atomic<std::int64_t> skipped_{0};
  std::int64_t shards_ = 0;
  std::int64_t shards_done_before_ = 0;
};

}  // namespace programs
