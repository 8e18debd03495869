// Determines which part of a job this process does, if several processes share the job.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>

#include <beit/beit.hpp>

namespace programs {

/// Task `index` of `count` writes the shards k with k % count == index.
struct Task {
  std::int64_t index = 0;
  std::int64_t count = 1;
};

/// The whole number in an environment variable, if it is set. Throws beit::ArgumentError if it isn't a whole number.
inline std::optional<std::int64_t> environment_number(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string value(text);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    throw beit::ArgumentError(std::string(name) + ": found '" + value + "', wanted a whole number");
  }
  return number;
}

/// This process's task in a Slurm job array, for --array=0-7, 1-8 or 0-30:10; the whole job outside of an array.
inline Task slurm_task() {
  const std::optional<std::int64_t> id = environment_number("SLURM_ARRAY_TASK_ID");
  const std::optional<std::int64_t> count = environment_number("SLURM_ARRAY_TASK_COUNT");
  if (!id || !count) return {};
  const std::int64_t first = environment_number("SLURM_ARRAY_TASK_MIN").value_or(0);
  const std::int64_t step = environment_number("SLURM_ARRAY_TASK_STEP").value_or(1);
  const std::int64_t last = environment_number("SLURM_ARRAY_TASK_MAX").value_or(first + (*count - 1) * step);
  // In a list such as 2,3,7 a task can't know its place from these.
  if (*count < 1 || step < 1 || *id < first || (*id - first) % step != 0 || last != first + (*count - 1) * step ||
      *id > last) {
    throw beit::ArgumentError("found task " + std::to_string(*id) + " of a Slurm array of " + std::to_string(*count) +
                              " tasks from " + std::to_string(first) + " to " + std::to_string(last) +
                              ", wanted evenly spaced tasks (or use --shard and --num-shards)");
  }
  return {(*id - first) / step, *count};
}

}  // namespace programs
