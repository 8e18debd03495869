// Determines which part of a job this process does, if several processes share the job.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <beit/beit.hpp>

namespace programs {

/// Task `index` of `count` writes the shards k with k % count == index.
struct Task {
  std::int64_t index = 0;
  std::int64_t count = 1;
};

/// Names the environment variables by which a scheduler numbers the tasks of a job; nullptr for those it doesn't set.
struct Scheduler {
  const char* index;                             // the number of this task
  const char* count = nullptr;                   // how many tasks there are
  const char *first = nullptr, *last = nullptr;  // the smallest and the largest number of them
};

inline constexpr Scheduler schedulers[] = {
    // A job array of Slurm
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX"},
    // An indexed job of Kubernetes
    {"JOB_COMPLETION_INDEX"},
    // GNU parallel, which counts from 1
    {"PARALLEL_SEQ"},
    // Open MPI's mpirun
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
};

/// The schedulers whose numbers are in the environment.
inline std::vector<Scheduler> schedulers_in_use() {
  std::vector<Scheduler> found;
  for (const Scheduler& scheduler : schedulers) {
    if (std::getenv(scheduler.index) != nullptr) found.push_back(scheduler);
  }
  return found;
}

/// "SLURM_ARRAY_TASK_ID, PARALLEL_SEQ"
template <typename Schedulers>
std::string names_of(const Schedulers& list) {
  std::string text;
  for (const Scheduler& scheduler : list) text += (text.empty() ? "" : ", ") + std::string(scheduler.index);
  return text;
}

/// The whole number in an environment variable; nothing if `name` is nullptr or isn't set. Throws beit::ArgumentError
/// if it isn't a whole number from 0.
inline std::optional<std::int64_t> environment_number(const char* name) {
  const char* const text = name != nullptr ? std::getenv(name) : nullptr;
  if (text == nullptr) return std::nullopt;
  const std::string value(text);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < 0) {
    throw beit::ArgumentError(std::string(name) + ": found '" + value + "', wanted a whole number");
  }
  return number;
}

/// The task that a scheduler has given to this process, for --shard auto.
///
/// With `num_shards`, the number of shares, task i has share i % num_shards: right for any consecutive numbers, from 0
/// or from 1, and for a few of them that run again. Without it, the tasks that the scheduler counts share the job, in
/// the same way: for evenly spaced numbers such as 0-7, 1-8, 0-30:10 or 5,9, which are divided by their distance. In a
/// list such as 2,3,7 a task can't know its place.
///
/// Throws beit::ArgumentError if the environment has no scheduler's numbers, those of several, or not enough of them.
inline Task scheduled_task(std::optional<std::int64_t> num_shards) {
  const std::vector<Scheduler> found = schedulers_in_use();
  if (found.size() != 1) {
    throw beit::ArgumentError("--shard auto: found " + (found.empty() ? "no number" : names_of(found)) +
                              " in the environment, wanted one of " + names_of(schedulers));
  }
  const Scheduler& scheduler = found.front();
  const std::int64_t id = *environment_number(scheduler.index);
  if (num_shards) return {id % *num_shards, *num_shards};
  const std::optional<std::int64_t> count = environment_number(scheduler.count);
  if (!count) {
    throw beit::ArgumentError("--shard auto: found " + names_of(found) +
                              ", which doesn't say how many tasks there are, wanted --num-shards too");
  }
  const std::int64_t first = environment_number(scheduler.first).value_or(0);
  const std::int64_t last = environment_number(scheduler.last).value_or(*count - 1);
  const std::int64_t step = *count > 1 ? (last - first) / (*count - 1) : 1;
  if (*count < 1 || step < 1 || last != first + (*count - 1) * step || id < first || id > last ||
      (id - first) % step != 0) {
    throw beit::ArgumentError("--shard auto: found task " + std::to_string(id) + " of " + std::to_string(*count) +
                              " tasks from " + std::to_string(first) + " to " + std::to_string(last) +
                              ", wanted evenly spaced tasks, or --num-shards too");
  }
  return {id / step % *count, *count};
}

/// "task 3 of 8, from SLURM_ARRAY_TASK_ID=3 (--shard 3 --num-shards 8)". There must be one scheduler in use.
inline std::string scheduled_text(const Task& task) {
  const std::string name = schedulers_in_use().front().index;
  const std::string index = std::to_string(task.index), count = std::to_string(task.count);
  return "task " + index + " of " + count + ", from " + name + "=" + std::getenv(name.c_str()) + " (--shard " + index +
         " --num-shards " + count + ")";
}

}  // namespace programs
