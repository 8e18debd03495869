// Times the thread pool: one empty parallel_for, and the calls of one forward pass of BEiT-Base. With more threads than
// processors, the workers must not take the processors from one another.
#include <benchmark/benchmark.h>

#include <beit/core/thread_pool.hpp>

namespace {

/// Keeps a processor busy: an amount of 1 takes a few hundred nanoseconds.
void work(beit::Index amount) {
  for (beit::Index i = 0; i < amount * 256; ++i) benchmark::DoNotOptimize(i);
}

void EmptyParallelFor(benchmark::State& state) {
  beit::ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) pool.parallel_for(state.range(1), [](beit::Index) {});
}
BENCHMARK(EmptyParallelFor)
    ->ArgNames({"threads", "tasks"})
    ->ArgsProduct({{2, 8}, {2, 8}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

/// Runs 12 blocks of 7 calls of 24 tasks, each of which does `work` units of work.
void Forward(benchmark::State& state) {
  beit::ThreadPool pool(static_cast<int>(state.range(0)));
  const beit::Executor executor(pool);
  for (auto _ : state) {
    for (int call = 0; call < 12 * 7; ++call) {
      executor.for_each(24, [&](beit::Index, beit::Index) { work(state.range(1)); });
    }
  }
}
BENCHMARK(Forward)
    ->ArgNames({"threads", "work"})
    ->ArgsProduct({{1, 2, 8}, {0, 50}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
