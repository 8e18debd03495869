// Times the packed product at the shapes of BEiT-Base/16 at 224 pixels, on one thread. "Hot" multiplies by one matrix
// again and again, which the caches keep. "Cold" goes through the matrices of as many layers as the model has, so that
// weights come from memory as in a real pass. Times are per product.
#include <benchmark/benchmark.h>

#include <beit/kernels/kernels.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>
#include <vector>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

template <typename Weight>
void run(benchmark::State& state, Index layers) {
  const Index batch = state.range(0), rows = 197, n = state.range(1), k = state.range(2);
  const beit_test::RandomWeights numbers(1);
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  std::vector<beit::Linear<Weight>> matrices;
  for (Index i = 0; i < layers; ++i) matrices.emplace_back(beit::default_kernels(), numbers.root().scope("fc"), n, k);
  beit::Workspace::Frame frame(workspace);
  const beit::Activations x = matrices[0].input(frame, batch, rows);
  const auto values = numbers.get("x", std::vector<Index>{batch * rows, k});
  beit::write_rows(Eigen::Map<const beit::RowMajorMatrix>(values.data(), batch * rows, k), x, workspace.executor());
  beit::Matrix out(batch * rows, n);
  std::size_t layer = 0;
  for (auto _ : state) {
    matrices[layer].forward(x, workspace, out);
    layer = (layer + 1) % matrices.size();
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(batch * rows * n * k),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "outputs", "inputs"});
  for (const Index batch : {1, 8}) {
    benchmark->Args({batch, 2304, 768});  // qkv
    benchmark->Args({batch, 768, 768});   // proj
    benchmark->Args({batch, 3072, 768});  // fc1
    benchmark->Args({batch, 768, 3072});  // fc2
  }
  benchmark->Unit(benchmark::kMillisecond);
}

template <typename Weight>
void Hot(benchmark::State& state) {
  run<Weight>(state, 1);
}
template <typename Weight>
void Cold(benchmark::State& state) {
  // The model's 12 layers of four shapes are 85 M weights; here as many weights have one shape.
  run<Weight>(state, 85'000'000 / (state.range(1) * state.range(2)));
}
BENCHMARK(Hot<float>)->Apply(shapes);
BENCHMARK(Hot<beit::FloatFast>)->Apply(shapes);
BENCHMARK(Hot<Eigen::bfloat16>)->Apply(shapes);
BENCHMARK(Hot<std::int8_t>)->Apply(shapes);
BENCHMARK(Cold<float>)->Apply(shapes);
BENCHMARK(Cold<beit::FloatFast>)->Apply(shapes);
BENCHMARK(Cold<Eigen::bfloat16>)->Apply(shapes);
BENCHMARK(Cold<std::int8_t>)->Apply(shapes);

}  // namespace
