// The packed product on the shapes of BEiT-Base/16 at 224 pixels, one thread.
#include <benchmark/benchmark.h>

#include <beit/kernels/kernels.hpp>
#include <vector>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

template <typename Stored>
void run(benchmark::State& state, const beit::kernels::GemmKernel<Stored>& kernel) {
  const Index m = state.range(0), n = state.range(1), k = state.range(2);
  const testing_weights::RandomWeights numbers(1);
  const auto a = numbers.get("a", std::vector<Index>{m, k});
  const auto w = numbers.get("w.weight", std::vector<Index>{n, k});
  const auto bias = numbers.get("bias", std::vector<Index>{n});
  beit::AlignedBuffer<float> out(m * n);
  beit::AlignedBuffer<Stored> packed(kernel.packed_size(n, k));
  kernel.pack(w.data(), n, k, packed.data());
  const beit::kernels::Gemm<Stored> product{.a = a.data(),
                                            .lda = k,
                                            .packed = packed.data(),
                                            .bias = bias.data(),
                                            .out = out.data(),
                                            .ldo = n,
                                            .m = m,
                                            .n = n,
                                            .k = k};
  for (auto _ : state) {
    for (Index row = 0; row < m; row += kernel.row_block) {
      kernel.run(product, row, std::min(row + kernel.row_block, m), 0, n);
    }
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "outputs", "inputs"});
  for (const Index batch : {1, 8}) {
    benchmark->Args({197 * batch, 2304, 768});  // qkv
    benchmark->Args({197 * batch, 768, 768});   // proj
    benchmark->Args({197 * batch, 3072, 768});  // fc1
    benchmark->Args({197 * batch, 768, 3072});  // fc2
  }
  benchmark->Unit(benchmark::kMillisecond);
}

void GemmFloat(benchmark::State& state) { run(state, beit::kernel_table().gemm_float); }
void GemmBfloat16(benchmark::State& state) { run(state, beit::kernel_table().gemm_bfloat16); }
BENCHMARK(GemmFloat)->Apply(shapes);
BENCHMARK(GemmBfloat16)->Apply(shapes);

}  // namespace
