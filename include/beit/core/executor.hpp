// A view of a thread pool, the library's own or a user's, through which the library runs its work.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// A pool that can run the library's work: beit::ThreadPool, or any type with `size()` and a blocking
/// `parallel_for(count, task)` that calls `task(i)` for every i in [0, count).
template <typename T>
concept WorkPool = requires(T& pool, void (*task)(Index)) {
  { pool.size() } -> std::convertible_to<Index>;
  pool.parallel_for(Index{}, task);
};

/// A non-owning view of a pool.
class Executor {
 public:
  /// `pool` must outlive this.
  template <WorkPool Pool>
  Executor(Pool& pool)
      : pool_(&pool),
        size_(std::max<Index>(1, static_cast<Index>(pool.size()))),
        run_([](void* p, Index count, Call call, void* context) {
          static_cast<Pool*>(p)->parallel_for(count, [=](auto i) { call(context, static_cast<Index>(i)); });
        }) {}

  /// The number of tasks that may run at once, which is the number of slots of for_each.
  Index size() const { return size_; }

  /// Calls `task(item, slot)` for every item in [0, items). No two calls that run at once share a slot in
  /// [0, size()), so a slot may own scratch memory. Which slot an item gets is not fixed.
  template <typename Task>
  void for_each(Index items, const Task& task) const {
    const Index slots = std::min(items, size_);
    if (slots <= 1) {
      for (Index item = 0; item < items; ++item) task(item, Index{0});
      return;
    }
    std::atomic<Index> next{0};
    auto run_slot = [&](Index slot) {
      for (Index item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;) task(item, slot);
    };
    run_(
        pool_, slots, [](void* context, Index slot) { (*static_cast<decltype(run_slot)*>(context))(slot); }, &run_slot);
  }

 private:
  using Call = void (*)(void*, Index);
  void* pool_;
  Index size_;
  void (*run_)(void*, Index, Call, void*);
};

}  // namespace beit::inline BEIT_ABI
