// DALL-E's encoder and decoder at full size, with random weights.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include <beit/model/dvae_decoder.hpp>
#include <beit/model/dvae_encoder.hpp>
#include <beit/nn/workspace.hpp>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

const beit_test::RandomWeights numbers(1);

/// Takes 26.06 GMACs at 112 x 112 pixels.
template <typename Weight>
void Encoder(benchmark::State& state) {
  beit::ThreadPool pool(static_cast<int>(state.range(0)));
  beit::Workspace workspace(pool);
  const beit::DvaeEncoder<Weight> encoder({}, numbers.root().scope("encoder"));
  const beit::Size size{112, 112};
  const auto x = numbers.get("x", std::vector<Index>{1, 3 * size.area()});
  beit::Matrix logits(encoder.grid(size).area(), encoder.config().vocab_size);
  for (auto _ : state) {
    encoder.forward(Eigen::Map<const beit::RowMajorMatrix>(x.data(), 1, x.size()), size, workspace, logits);
    benchmark::ClobberMemory();
  }
  state.counters["MAC/s"] = benchmark::Counter(26.06e9, benchmark::Counter::kIsIterationInvariantRate);
}

/// Takes 29.5 GMACs for 14 x 14 tokens.
template <typename Weight>
void Decoder(benchmark::State& state) {
  beit::ThreadPool pool(static_cast<int>(state.range(0)));
  beit::Workspace workspace(pool);
  const beit::DvaeDecoder<Weight> decoder({}, numbers.root().scope("decoder"));
  const std::vector<std::int32_t> tokens(196, 5);
  beit::Matrix out(112 * 112, 6);
  for (auto _ : state) {
    decoder.forward(tokens, {14, 14}, workspace, out);
    benchmark::ClobberMemory();
  }
  state.counters["MAC/s"] = benchmark::Counter(29.5e9, benchmark::Counter::kIsIterationInvariantRate);
}

#define BEIT_FOR_EACH_PRECISION(name)                                                                                 \
  BENCHMARK(name<float>)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();           \
  BENCHMARK(name<Eigen::bfloat16>)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime(); \
  BENCHMARK(name<std::int8_t>)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime()
BEIT_FOR_EACH_PRECISION(Encoder);
BEIT_FOR_EACH_PRECISION(Decoder);

}  // namespace
