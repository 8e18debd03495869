// The progress line, which shows the time left once the number of images is known.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <system_error>
#include <utility>

#include "../paths.hpp"
#include "../progress.hpp"
#include "sources.hpp"

namespace programs {

class InputProgress {
 public:
  InputProgress(std::size_t total, bool quiet) : progress_(quiet), total_(total) {}

  /// Counts the images while the work goes on, if there is a terminal to show the line and the input can be read twice.
  /// This process is one of `tasks` that share the work; `passed_over` returns how many images it has left to others so
  /// far.
  InputProgress(
      const InputNames& names, bool quiet, std::int64_t tasks = 1,
      std::function<std::int64_t()> passed_over = [] { return 0; })
      : tasks_(tasks), passed_over_(std::move(passed_over)), progress_(quiet) {
    std::error_code ignored;
    if (quiet || !is_terminal(stderr)) return;
    if (std::find(names.arguments.begin(), names.arguments.end(), "-") != names.arguments.end()) return;
    if (!names.list.empty() && !std::filesystem::is_regular_file(path_of(names.list), ignored)) return;
    counter_ = std::async(std::launch::async, [this, names] { count(names); });
  }
  InputProgress(const InputProgress&) = delete;
  InputProgress& operator=(const InputProgress&) = delete;
  ~InputProgress() { stopping_ = true; }

  /// Shows the line. `done` is the number of images that this process has handled, without those that it passed over.
  void show(std::size_t done) {
    const auto skipped = static_cast<std::size_t>(passed_over_());
    progress_.set_total(total_);
    progress_.show(done + skipped, done, static_cast<std::size_t>(tasks_));
  }
  void clear() { progress_.clear(); }
  /// The seconds since the work began.
  double seconds() const { return progress_.seconds(); }

 private:
  void count(const InputNames& names) {
    try {
      Skipped ignored;
      Sources sources(
          names, [](std::int64_t) { return false; }, ignored);
      std::size_t count = 0;
      for (; sources.next(); ++count) {
        if (stopping_) return;
      }
      total_ = count;
    } catch (const std::exception&) {
      // The work will meet the same error and report it.
    }
  }

  std::int64_t tasks_ = 1;
  std::function<std::int64_t()> passed_over_ = [] { return 0; };
  Progress progress_;
  std::atomic<std::size_t> total_{Progress::unknown};
  std::atomic<bool> stopping_{false};
  std::future<void> counter_;  // last, so that its destructor waits for the thread before the other members go
};

}  // namespace programs
