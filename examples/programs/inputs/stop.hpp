// How a signal ends a program early.
#pragma once

#include <atomic>

namespace programs {

/// Set by a signal; seen between two batches, and by threads that wait for input.
inline std::atomic<int> stop_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "for a signal's handler");

/// Thrown where a signal asks for an early end, so that destructors remove temporary files.
struct Interrupted {};

}  // namespace programs
