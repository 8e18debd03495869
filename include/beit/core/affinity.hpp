// Counts the processors that this process may use.
#pragma once

#include <algorithm>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <string>
#endif

#if defined(_WIN32)
#include <bit>
#include <cstdint>
#endif

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

#if defined(_WIN32)
// Declared here as in the Windows headers, which aren't included because of their macros (core/mapped_file.hpp).
extern "C" {
__declspec(dllimport) void* __stdcall GetCurrentProcess();
__declspec(dllimport) int __stdcall GetProcessAffinityMask(void*, std::uintptr_t*, std::uintptr_t*);
}
#endif

#if defined(__linux__)
/// Reads a file under /proc or /sys; empty if it can't be read. Not a std::ifstream, which takes long to compile.
BEIT_COLD inline std::string system_text(std::initializer_list<MessagePart> path) {
  std::string text;
  if (std::FILE* const file = std::fopen(concat(path).c_str(), "r")) {
    char part[512];
    while (const std::size_t count = std::fread(part, 1, sizeof(part), file)) text.append(part, count);
    std::fclose(file);
  }
  return text;
}

/// The number of processors that a control group's quota amounts to, rounded up; 0 if it has none. `group` is the
/// group's folder: version 2 keeps the quota in cpu.max ("max 100000" for no limit), version 1 in two files.
BEIT_COLD inline long long group_processors(const std::string& group) {
  long long quota = 0, period = 0;
  if (std::sscanf(system_text({group, "/cpu.max"}).c_str(), "%lld %lld", &quota, &period) != 2) {
    const std::string both =
        concat({system_text({group, "/cpu.cfs_quota_us"}), " ", system_text({group, "/cpu.cfs_period_us"})});
    if (std::sscanf(both.c_str(), "%lld %lld", &quota, &period) != 2) return 0;
  }
  return quota > 0 && period > 0 ? (quota - 1) / period + 1 : 0;
}

/// The smallest limit of this process's control group and the groups around it; 0 if there is none.
///
/// A container sees its own group as the outermost; a service is in a group some levels down. `root` is put before the
/// system's paths.
BEIT_COLD inline int container_processors(const std::string& root = "") {
  long long smallest = 0;
  // One line per hierarchy: "4:cpu,cpuacct:/a/b"; version 2 names no controllers: "0::/a/b".
  const std::string groups = system_text({root, "/proc/self/cgroup"});
  for (std::size_t begin = 0, end; begin < groups.size(); begin = end + 1) {
    end = std::min(groups.find('\n', begin), groups.size());
    const std::string line = groups.substr(begin, end - begin);
    const std::size_t controllers = line.find(':') + 1, path = line.find(':', controllers) + 1;
    if (controllers == 0 || path == 0) continue;
    std::string names = line.substr(controllers - 1, path - controllers + 1);  // ":cpu,cpuacct:" or "::"
    std::replace(names.begin(), names.end(), ':', ',');
    const bool unified = names == ",,";
    if (!unified && names.find(",cpu,") == std::string::npos) continue;
    const std::string mount = concat({root, unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu"});
    // Goes outwards from the group to the mount; a container may see only the end of the path.
    for (std::string group = line.substr(path);; group.erase(group.rfind('/'))) {
      const long long limit = group_processors(concat({mount, group}));
      if (limit > 0 && (smallest == 0 || limit < smallest)) smallest = limit;
      if (group.find('/') == std::string::npos) break;
    }
  }
  return static_cast<int>(std::min(smallest, 65536LL));
}
#endif

/// The number of processors in the affinity mask, or fewer if a container limits the process; at least 1.
inline int usable_processors() {
  int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = std::max(1, CPU_COUNT(&set));
  if (const int limit = container_processors(); limit > 0) count = std::min(count, limit);
#elif defined(_WIN32)
  // Both masks are 0 for a process with threads in several groups of 64 processors.
  std::uintptr_t mask = 0, system = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &mask, &system) != 0 && mask != 0) {
    count = std::min(count, std::popcount(mask));
  }
#endif
  return count;
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
