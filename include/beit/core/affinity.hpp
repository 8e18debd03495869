// How many processors this process may use.
#pragma once

#include <algorithm>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include <fstream>
#endif

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

#if defined(__linux__)
/// Processors that a container's quota amounts to, rounded up; 0 where there is no limit ("max").
/// Control groups version 2 has it in cpu.max, version 1 in two files.
inline int container_processors() {
  long long quota = 0, period = 0;
  std::ifstream both("/sys/fs/cgroup/cpu.max");
  if (!(both >> quota >> period)) {
    std::ifstream first("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), second("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(first >> quota) || !(second >> period)) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::clamp((quota + period - 1) / period, 1LL, 65536LL));
}
#endif

/// At least 1: the processors of the affinity mask, or fewer where a container limits the process.
inline int usable_processors() {
  int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = std::max(1, CPU_COUNT(&set));
  if (const int limit = container_processors(); limit > 0) count = std::min(count, limit);
#endif
  return count;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
