// The packed product on the shapes of BEiT-Base/16 at 224 pixels, one thread.
#include <benchmark/benchmark.h>

#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>
#include <vector>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

void run(benchmark::State& state, const beit::kernels::GemmKernel& kernel) {
  const Index m = state.range(0), n = state.range(1), k = state.range(2);
  const testing_weights::RandomWeights numbers(1);
  auto x = numbers.get("a", std::vector<Index>{m, k});
  const auto w = numbers.get("w.weight", std::vector<Index>{n, k});
  const auto bias = numbers.get("bias", std::vector<Index>{n});
  beit::AlignedBuffer<float> out(m * n);
  beit::AlignedBuffer<std::byte> packed(kernel.packed_bytes(n, k));
  kernel.pack(w.data(), n, k, packed.data());
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  const beit::Operand a =
      beit::encode(Eigen::Map<beit::RowMajorMatrix>(x.data(), m, k), kernel, workspace, beit::Workspace::encoded);
  const beit::kernels::Gemm product{.a = a.data,
                                    .lda = a.ld,
                                    .a_scale = a.scale,
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

template <beit::Precision precision>
void Gemm(benchmark::State& state) {
  run(state, beit::kernel_table().of(precision).gemm);
}
BENCHMARK(Gemm<beit::Precision::float32>)->Apply(shapes);
BENCHMARK(Gemm<beit::Precision::bfloat16>)->Apply(shapes);
BENCHMARK(Gemm<beit::Precision::int8>)->Apply(shapes);

}  // namespace
