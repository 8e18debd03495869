// Decides which images this process handles, and where the shards of the output begin and end.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <beit/beit.hpp>

#include "../escaped.hpp"
#include "../inputs/file_stamp.hpp"
#include "../inputs/item.hpp"
#include "../inputs/sources.hpp"
#include "../paths.hpp"
#include "done_shard.hpp"
#include "hash.hpp"
#include "input_chain.hpp"
#include "shard_folder.hpp"
#include "task.hpp"
#include "update.hpp"

namespace programs {

/// The images aren't those of the shards that are done.
class InputChanged : public beit::ArgumentError {
 public:
  using ArgumentError::ArgumentError;
};

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

  /// Looks for images that needn't be computed in `rows`, which must outlive the plan.
  void keep(const KeptRows& rows) { kept_ = &rows; }

  /// Throws InputChanged if a shard that is done has other images than it would have now.
  std::optional<Item> next() override {
    for (;;) {
      if (!started_) ahead_ = sources_.next();
      started_ = true;
      if (!ahead_) return std::nullopt;
      Item item = *std::exchange(ahead_, sources_.next());
      const std::int64_t shard = item.index / shard_size_;
      item.ends_input = !ahead_;
      item.ends_shard = !ahead_ || ahead_->index / shard_size_ != shard;
      add(item);
      State& state = state_of(shard);
      if (state.todo) {
        stamp(item);
        if (kept_ != nullptr && item.stamp && item.error.empty()) item.kept = kept_->find(item.path, *item.stamp);
        if (item.ends_shard) states_.erase(shard);
        return item;
      }
      ++skipped_;
      if (state.done) compare(item, shard, state);
      if (item.ends_shard) states_.erase(shard);
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
  /// The number of images in those shards that couldn't be read.
  std::int64_t failed_before() const { return failed_before_; }
  /// All that was seen; complete once next() has reached the end.
  const WholeInput& input() const { return input_; }

 private:
  struct State {
    bool todo = true;
    std::optional<DoneShard> done{};   // if this task has nothing to do because the shard is done
    std::vector<std::string> names{};  // of its images as they are now
    std::string changed{};             // the first image that has another size or time than it had then
  };

  Plan(const InputNames& names, const ShardFolder* folder, Json job, std::int64_t shard_size, Task task)
      : folder_(folder),
        job_(std::move(job)),
        shard_size_(shard_size),
        task_(task),
        sources_(
            names, [this](std::int64_t index) { return state_of(index / shard_size_).todo; }, skipped_files_) {}

  State& state_of(std::int64_t shard) {
    const auto [found, is_new] = states_.try_emplace(shard);
    State& state = found->second;
    if (!is_new || folder_ == nullptr) return state;
    if (shard % task_.count != task_.index) {
      state.todo = false;
    } else if (std::optional<DoneShard> done = folder_->read_done(shard, job_); done && !was_unreachable(*done)) {
      state.todo = false;
      state.done = std::move(done);
    }
    return state;
  }

  /// Whether the shard has images of which the system said nothing, and now does.
  static bool was_unreachable(const DoneShard& done) {
    std::error_code ignored;
    return std::ranges::any_of(done.unreachable(), [&](const std::string& name) {
      return stamp_of(path_of(unescaped(name)), ignored).has_value();
    });
  }

  /// Adds the image to the hashes of the input.
  void add(Item& item) {
    names_.add(item.path);
    names_.add(item.label);
    ++input_.images;
    if (item.ends_shard) {
      ++shards_;
      item.shard_input = {names_.hex(), input_.hash, follows_, item.path};
      input_.hash = hash_with(item.shard_input);
      names_.reset();
      follows_ = item.path;
    }
    if (item.ends_input) input_.last = item.path;
  }

  /// Notes the size and time of the image's file, and if the system doesn't give them, why. That a file is missing is
  /// said where it is opened.
  void stamp(Item& item) {
    if (folder_ == nullptr || item.is_member) return;
    std::error_code error;
    item.stamp = stamp_of(path_of(item.path), error);
    if (item.stamp || !item.error.empty() || error == std::errc::no_such_file_or_directory) return;
    item.error = "can't be looked at: " + error.message();
    item.unseen = true;
    skipped_files_.add_unreachable();
  }

  /// Compares an image of a shard that is done with what it was then, and the whole shard at its last image.
  void compare(Item& item, std::int64_t shard, State& state) {
    stamp(item);
    if (state.changed.empty() && !state.done->has(state.names.size(), item.stamp)) state.changed = item.path;
    state.names.push_back(escaped(item.path));
    if (!item.ends_shard) return;
    ++shards_done_before_;
    failed_before_ += std::ssize(state.done->failed());
    const bool same_names =
        state.done->contents() == item.shard_input.contents && state.done->last() == item.ends_input;
    if (same_names && state.changed.empty()) return;
    const std::string example = same_names ? "'" + state.changed + "' has another size or time"
                                           : difference(folder_->names(shard, *state.done), state.names);
    throw InputChanged(name_of(folder_->path()) + ": the input has changed since shard " + std::to_string(shard) +
                       " was written: " + example + ": use the same input, --update, or another folder");
  }

  const ShardFolder* folder_;
  const KeptRows* kept_ = nullptr;
  Json job_;
  std::int64_t shard_size_;
  Task task_;
  std::map<std::int64_t, State> states_;  // of the shard that next() is in, and those that the sources have read ahead
  Skipped skipped_files_;
  Sources sources_;
  bool started_ = false;
  std::optional<Item> ahead_;
  Hash names_;           // of the shard that next() is in
  std::string follows_;  // the last image of the shard before it
  WholeInput input_;
  std::atomic<std::int64_t> skipped_{0};
  std::int64_t shards_ = 0;
  std::int64_t shards_done_before_ = 0;
  std::int64_t failed_before_ = 0;
};

}  // namespace programs
