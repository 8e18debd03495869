// BEiT-Base/16 at 224 pixels on random weights made in memory: batch 1 and 8, 1 and 2 threads.
#include <benchmark/benchmark.h>

#include <beit/model/beit.hpp>
#include <beit/model/presets.hpp>

#include "../tests/random_weights.hpp"

namespace {

template <typename Weight>
void WholeModel(benchmark::State& state) {
  static const beit::Beit<Weight> model(beit::preset("beit_base_patch16_224"), beit_test::RandomWeights(1).root());
  const beit::Index batch = state.range(0);
  beit::ThreadPool pool(static_cast<int>(state.range(1)));
  beit::Workspace workspace(pool);
  beit::Matrix x(batch, 3 * 224 * 224), logits(batch, model.num_outputs());
  for (beit::Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i % 255) / 127.5f - 1.0f;
  model.forward(x, workspace, logits);
  for (auto _ : state) {
    model.forward(x, workspace, logits);
    benchmark::ClobberMemory();
  }
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(batch), benchmark::Counter::kIsIterationInvariantRate);
}

void cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "threads"})->ArgsProduct({{1, 8}, {1, 2}});
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(WholeModel<float>)->Apply(cases);
BENCHMARK(WholeModel<Eigen::bfloat16>)->Apply(cases);
BENCHMARK(WholeModel<std::int8_t>)->Apply(cases);

}  // namespace
