#include <beit/core/executor.hpp>

#include <atomic>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <beit/core/thread_pool.hpp>

namespace beit_test::executor_test {

using beit::Index;

TEST(Executor, GivesItemsThatRunAtOnceDifferentSlots) {
  beit::ThreadPool pool(4);
  const beit::Executor executor(pool);
  ASSERT_EQ(executor.size(), 4);
  std::vector<std::atomic<int>> in_slot(4);
  std::vector<int> calls(500);
  std::atomic<bool> shared{false};
  executor.for_each(500, [&](Index item, Index slot) {
    if (++in_slot[static_cast<std::size_t>(slot)] != 1) shared = true;
    ++calls[static_cast<std::size_t>(item)];
    --in_slot[static_cast<std::size_t>(slot)];
  });
  EXPECT_FALSE(shared);
  EXPECT_EQ(calls, std::vector<int>(500, 1));
}

/// A user's own pool with only the members that Executor requires.
static_assert(beit::WorkPool<beit::ThreadPool> && !beit::WorkPool<int> && !beit::WorkPool<beit::Executor>);

struct SerialPool {
  int calls = 0;
  int size() const { return 3; }
  template <typename Task>
  void parallel_for(Index count, Task task) {
    ++calls;
    for (Index i = count; i-- > 0;) task(i);
  }
};

TEST(Executor, TakesAnyTypeWithParallelFor) {
  SerialPool pool;
  const beit::Executor executor(pool);
  std::set<Index> items;
  executor.for_each(10, [&](Index item, Index) { items.insert(item); });
  EXPECT_EQ(items.size(), 10u);
  EXPECT_EQ(pool.calls, 1);
}

}  // namespace beit_test::executor_test
