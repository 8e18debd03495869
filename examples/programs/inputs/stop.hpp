// How a signal stops a program.
#pragma once

#include <atomic>

namespace programs {

/// Set by a signal. It is checked between batches and by threads that wait for input.
inline std::atomic<int> stop_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler sets it");

/// Thrown after a signal, so that destructors remove temporary files.
struct Interrupted {};

}  // namespace programs
