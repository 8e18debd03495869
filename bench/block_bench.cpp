// One transformer block of BEiT-Base/16: batch 1 and 8, 1 and 2 threads.
#include <benchmark/benchmark.h>

#include <beit/model/presets.hpp>
#include <beit/nn/block.hpp>

#include "../tests/random_weights.hpp"

namespace {

template <typename Weight>
void OneBlock(benchmark::State& state) {
  const beit::Config config = beit::preset("beit_base_patch16_224");
  const beit::Index batch = state.range(0), rows = batch * config.num_tokens();
  const beit_test::RandomWeights weights(1);
  const beit::WeightScope scope = weights.root();
  beit::RelativePositionBias bias(config.grid());
  bias.add(scope.scope("attn"), config.num_heads);
  const beit::Block<Weight> block(beit::default_kernels(), scope,
                                  {.dim = config.embed_dim,
                                   .heads = config.num_heads,
                                   .hidden = config.mlp_hidden,
                                   .qkv_bias = config.qkv_bias,
                                   .layer_scale = config.layer_scale},
                                  std::move(bias));
  beit::ThreadPool pool(static_cast<int>(state.range(1)));
  beit::Workspace workspace(pool);
  const auto start = weights.get("tokens", std::vector<beit::Index>{rows, config.embed_dim});
  beit::Matrix tokens(rows, config.embed_dim);
  for (auto _ : state) {
    std::copy_n(start.data(), start.size(), tokens.data());  // else the residual stream would grow
    block.forward(batch, workspace, tokens);
    benchmark::ClobberMemory();
  }
}

void cases(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "threads"})->ArgsProduct({{1, 8}, {1, 2}});
  benchmark->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(OneBlock<float>)->Apply(cases);
BENCHMARK(OneBlock<Eigen::bfloat16>)->Apply(cases);
BENCHMARK(OneBlock<std::int8_t>)->Apply(cases);

}  // namespace
