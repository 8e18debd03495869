// A fork-join pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include <beit/core/affinity.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/core/waitable_atomic.hpp>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace beit::inline BEIT_ABI {

namespace detail {

/// Tells the processor that it is in a spin loop.
inline void spin_pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#endif
}

/// Calls `done()` until it returns true, for about as long as a task takes (100 microseconds). Returns its last answer.
///
/// The clock sets the limit, because a pause takes from 1 to 140 cycles. About every microsecond the processor is
/// offered to any thread that waits for one, which may be the thread that this one waits for.
template <typename Done>
bool spin_until(const Done& done) {
  using Clock = std::chrono::steady_clock;
  if (done()) return true;
  for (const Clock::time_point end = Clock::now() + std::chrono::microseconds(100); Clock::now() < end;) {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      spin_pause();
    }
    std::this_thread::yield();
  }
  return done();
}

}  // namespace detail

/// A fixed set of threads that run `task(0) ... task(count - 1)` together with the caller.
///
/// Idle threads sleep after a short spin, no more of them are woken than there are tasks, and a call waits for its
/// tasks, not for every thread. Many calling threads may share one pool: while one of them has the workers, the others
/// (and calls from within a task) run their tasks themselves. So does a process forked from the one that made the pool,
/// because it has no workers.
class ThreadPool {
 public:
  /// `threads` includes the caller; 0 means one per processor that this process may use (within its affinity mask and
  /// container limit). ArgumentError if negative, std::system_error if the system has no more threads.
  explicit ThreadPool(int threads = 0) {
    if (threads < 0) throw ArgumentError(detail::concat({"ThreadPool: found ", threads, " threads, wanted 0 or more"}));
    const int count = threads > 0 ? threads : detail::usable_processors();
    workers_.reserve(static_cast<std::size_t>(count - 1));
    try {
      for (int i = 1; i < count; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() { stop(); }

  /// The number of threads that can run at once, including the caller.
  Index size() const { return static_cast<Index>(workers_.size()) + 1; }

  /// Calls `task(i)` for every i in [0, count) and returns when all have returned; allocates nothing. Rethrows the
  /// first exception that a task throws; tasks that hadn't begun may then be skipped.
  template <typename Task>
  void parallel_for(Index count, Task&& task) {
    if (count <= 1 || workers_.empty() || is_forked() || busy_.exchange(true, std::memory_order_acquire)) {
      for (Index i = 0; i < count; ++i) task(i);
      return;
    }
    // Workers read the members written here only after taking a task, and no task is left to take yet.
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    call_ = [](void* context, Index i) { (*static_cast<std::remove_reference_t<Task>*>(context))(i); };
    context_ = const_cast<void*>(static_cast<const void*>(&task));
    count_ = count;
    finished_.store(0, std::memory_order_relaxed);
    left_.store(count, std::memory_order_release);
    epoch_.fetch_add(1);
    wake(count - 1 - (static_cast<Index>(workers_.size()) - asleep_.load()));
    run_tasks();
    const auto all_finished = [&] { return finished_.load(std::memory_order_acquire) == count; };
    if (!detail::spin_until(all_finished)) {
      for (Index finished; (finished = finished_.load(std::memory_order_acquire)) != count;) finished_.wait(finished);
    }
    const std::exception_ptr error = std::exchange(error_, nullptr);
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
  }

 private:
  void stop() {
    stopping_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (std::thread& worker : workers_) is_forked() ? worker.detach() : worker.join();
  }

#if defined(_WIN32)
  static constexpr bool is_forked() { return false; }
#else
  bool is_forked() const { return ::getpid() != process_; }
  const ::pid_t process_ = ::getpid();
#endif

  /// Runs tasks until none is left. A worker that arrives late finds no task, or takes tasks of the next call: either
  /// is right, because the caller waits for the tasks, not for the workers.
  void run_tasks() {
    Index finished = 0, count = 0;
    for (Index left; (left = left_.fetch_sub(1, std::memory_order_acquire)) > 0; ++finished) {
      count = count_;
      try {
        call_(context_, count - left);
      } catch (...) {
        if (!failed_.exchange(true, std::memory_order_acq_rel)) error_ = std::current_exception();
      }
    }
    if (finished > 0 && finished_.fetch_add(finished, std::memory_order_acq_rel) + finished == count) {
      finished_.notify_one();
    }
  }

  /// Wakes up to `wanted` sleeping workers, but two at most: each that wakes does the same. So no thread has many to
  /// wake, and none is woken while those before it still wait for a processor.
  void wake(Index wanted) {
    wanted = std::min({wanted, asleep_.load(), Index{2}});
    for (Index i = 0; i < wanted; ++i) epoch_.notify_one();
  }

  void work() {
    for (std::uint32_t seen = 0;;) {
      if (!detail::spin_until([&] { return epoch_.load(std::memory_order_acquire) != seen; })) {
        // In this order, and both sequentially consistent: either wake() sees this worker asleep, or this worker sees
        // the new epoch.
        asleep_.fetch_add(1);
        epoch_.wait(seen);
        asleep_.fetch_sub(1);
        wake(left_.load(std::memory_order_relaxed) - 1);
      }
      seen = epoch_.load(std::memory_order_acquire);
      if (stopping_.load(std::memory_order_relaxed)) return;
      if (left_.load(std::memory_order_relaxed) > 0) run_tasks();
    }
  }

  std::atomic<bool> busy_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  void (*call_)(void*, Index) = nullptr;
  void* context_ = nullptr;
  Index count_ = 0;
  alignas(64) detail::WaitableAtomic<std::uint32_t> epoch_{0};  // counts the calls
  std::atomic<Index> asleep_{0};                                // workers that sleep or are about to
  alignas(64) std::atomic<Index> left_{0};  // tasks not yet taken; negative once workers have looked for more
  alignas(64) detail::WaitableAtomic<Index> finished_{0};
  std::vector<std::thread> workers_;
};

/// The pool that is used if the caller names none; made on first use.
inline ThreadPool& default_thread_pool() {
  static ThreadPool pool;
  return pool;
}

}  // namespace beit::inline BEIT_ABI
