// The progress line of a plan, with the time left once it is known how many images there are.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>

#include "../output.hpp"
#include "../paths.hpp"
#include "plan.hpp"
#include "sources.hpp"

namespace programs {

/// Counts the images beside the work on them, for a terminal only, and not what can be read but once.
class PlanProgress {
 public:
  PlanProgress(const Plan& plan, const InputNames& names, std::int64_t tasks) : plan_(plan), tasks_(tasks) {
    std::error_code ignored;
    if (!is_terminal(stderr)) return;
    if (std::find(names.arguments.begin(), names.arguments.end(), "-") != names.arguments.end()) return;
    if (!names.list.empty() && !std::filesystem::is_regular_file(path_of(names.list), ignored)) return;
    counter_ = std::thread([this, names] { count(names); });
  }
  PlanProgress(const PlanProgress&) = delete;
  PlanProgress& operator=(const PlanProgress&) = delete;
  ~PlanProgress() {
    stopping_ = true;
    if (counter_.joinable()) counter_.join();
  }

  /// `done`: images that this process has been through, beside those that the plan passed over.
  void show(std::int64_t done) {
    const std::int64_t skipped = plan_.skipped();
    progress_.set_total(total_);
    progress_.show(static_cast<std::size_t>(done + skipped), static_cast<std::size_t>(done),
                   static_cast<std::size_t>(tasks_));
  }
  void clear() { progress_.clear(); }

 private:
  void count(const InputNames& names) {
    try {
      Sources sources(names, [](std::int64_t) { return false; });
      std::size_t count = 0;
      for (; sources.next(); ++count) {
        if (stopping_) return;
      }
      total_ = count;
    } catch (const std::exception&) {
      // Whatever it is, the plan meets it too.
    }
  }

  const Plan& plan_;
  std::int64_t tasks_;
  Progress progress_{Progress::unknown};
  std::atomic<std::size_t> total_{Progress::unknown};
  std::atomic<bool> stopping_{false};
  std::thread counter_;
};

}  // namespace programs
