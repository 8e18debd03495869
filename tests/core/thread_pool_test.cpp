#include <gtest/gtest.h>

#include <atomic>
#include <beit/core/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace beit_test::thread_pool_test {

using beit::Index;

/// Replaces std::latch, which hangs in libstdc++ without a futex (core/waitable_atomic.hpp says why).
class Latch {
 public:
  explicit Latch(int count) : count_(count) {}
  void arrive_and_wait() {
    std::unique_lock lock(mutex_);
    if (--count_ == 0) all_.notify_all();
    all_.wait(lock, [this] { return count_ == 0; });
  }
  bool try_wait() {
    const std::lock_guard lock(mutex_);
    return count_ == 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  int count_;
};

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    beit::ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const Index count : {0, 1, 2, 7, 1000}) {
      std::vector<int> calls(static_cast<std::size_t>(count));
      pool.parallel_for(count, [&](Index i) { ++calls[static_cast<std::size_t>(i)]; });
      EXPECT_EQ(calls, std::vector<int>(static_cast<std::size_t>(count), 1));
    }
  }
}

TEST(ThreadPool, RunsManyForksInARow) {
  beit::ThreadPool pool(3);
  std::atomic<Index> sum{0};
  for (int round = 0; round < 2000; ++round) {
    pool.parallel_for(3, [&](Index i) { sum += i + 1; });
  }
  EXPECT_EQ(sum, 2000 * 6);
}

TEST(ThreadPool, RunsEveryTaskOnceForAnySizesAndPauses) {
  for (const int threads : {2, 3, 8, 17}) {
    beit::ThreadPool pool(threads);
    std::vector<std::atomic<int>> calls(40);
    int rounds = 0;
    for (; rounds < 300; ++rounds) {
      const Index count = 1 + rounds * 7 % 40;  // fewer tasks than threads, and more
      // The pauses vary, so that calls find workers spinning, falling asleep and asleep.
      if (rounds % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(rounds));
      pool.parallel_for(count, [&](Index i) { ++calls[static_cast<std::size_t>(i)]; });
    }
    // Task i is in every call of more than i tasks.
    for (Index i = 0; i < 40; ++i) {
      int expected = 0;
      for (int round = 0; round < rounds; ++round) expected += 1 + round * 7 % 40 > i ? 1 : 0;
      EXPECT_EQ(calls[static_cast<std::size_t>(i)], expected) << "threads " << threads << ", task " << i;
    }
  }
}

TEST(ThreadPool, WakesAThreadForEveryTask) {
  for (const int threads : {2, 3, 6, 12}) {
    beit::ThreadPool pool(threads);
    for (int round = 0; round < 10; ++round) {
      if (round % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until all are asleep
      for (int tasks = 2; tasks <= threads; ++tasks) {
        // No task ends before the last has begun.
        Latch begun(tasks);
        pool.parallel_for(tasks, [&](Index) { begun.arrive_and_wait(); });
        EXPECT_TRUE(begun.try_wait());
      }
    }
  }
}

TEST(ThreadPool, WaitsForATaskThatTakesLong) {
  beit::ThreadPool pool(3);
  std::atomic<int> finished{0};
  for (int round = 0; round < 5; ++round) {
    Latch begun(3);
    const std::thread::id caller = std::this_thread::get_id();
    pool.parallel_for(3, [&](Index) {
      begun.arrive_and_wait();
      if (std::this_thread::get_id() != caller) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      ++finished;
    });
    EXPECT_EQ(finished, 3 * (round + 1));
  }
}

TEST(ThreadPool, EndsAtOnceWhileWorkersStartOrFallAsleep) {
  std::atomic<Index> sum{0};
  for (int round = 0; round < 100; ++round) {
    beit::ThreadPool pool(1 + round % 5);
    if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(round));
    if (round % 2 == 0) pool.parallel_for(3, [&](Index) { ++sum; });
  }
  EXPECT_EQ(sum, 50 * 3);
}

TEST(ThreadPool, ServesCallersAtTheSameTimeAndNestedCalls) {
  beit::ThreadPool pool(2);
  std::vector<std::thread> callers;
  std::atomic<Index> sum{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.parallel_for(4, [&](Index) { pool.parallel_for(5, [&](Index) { ++sum; }); });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 50 * 4 * 5);
}

TEST(ThreadPool, ThrowsATasksExceptionAndGoesOn) {
  beit::ThreadPool pool(3);
  const auto fail = [&] {
    pool.parallel_for(20, [](Index i) {
      if (i % 5 == 3) throw std::runtime_error("task failed");
    });
  };
  EXPECT_THROW(fail(), std::runtime_error);
  EXPECT_THROW(fail(), std::runtime_error);
  std::atomic<int> calls{0};
  pool.parallel_for(10, [&](Index) { ++calls; });
  EXPECT_EQ(calls, 10);
  for (int round = 0; round < 200; ++round) {
    EXPECT_THROW(pool.parallel_for(1 + round % 5, [](Index) { throw std::runtime_error("every task failed"); }),
                 std::runtime_error);
  }
}

TEST(ThreadPool, RefusesANegativeSize) { EXPECT_THROW(beit::ThreadPool(-1), beit::ArgumentError); }

#if !defined(_WIN32)
TEST(ThreadPool, WorksInAForkedProcess) {
  beit::ThreadPool pool(3);
  std::atomic<int> calls{0};
  pool.parallel_for(10, [&](Index) { ++calls; });
  const pid_t child = fork();
  if (child == 0) {
    pool.parallel_for(10, [&](Index) { ++calls; });
    _exit(calls == 20 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(ThreadPool, DefaultUsesAtLeastOneProcessor) {
  EXPECT_GE(beit::default_thread_pool().size(), 1);
  EXPECT_GE(beit::detail::usable_processors(), 1);
  EXPECT_LE(beit::detail::usable_processors(), static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

}  // namespace beit_test::thread_pool_test
