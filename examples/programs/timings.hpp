// Measures how long the parts of the work take.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace programs {

/// How long the parts of the work took, in nanoseconds; decoding and preprocessing are sums over all threads.
struct Timings {
  std::atomic<std::int64_t> decoding{0}, preprocessing{0}, model{0};
};

/// Runs `work` and returns its result; adds the time that it takes to `sum`.
template <typename Work>
auto timed(std::atomic<std::int64_t>& sum, const Work& work) {
  using Clock = std::chrono::steady_clock;
  struct Stopwatch {
    std::atomic<std::int64_t>& sum;
    Clock::time_point start = Clock::now();
    ~Stopwatch() { sum += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count(); }
  };
  const Stopwatch watch{sum};
  return work();
}

}  // namespace programs
