// Times the parts of a forward pass that aren't products with weights, at BEiT-Base/16's sizes, for one image on one
// thread: attention, layer norm, and the MLP's first product with and without GELU. A pass has 12 attentions, 24 layer
// norms and 12 GELUs.
#include <benchmark/benchmark.h>

#include <beit/kernels/kernels.hpp>
#include <beit/model/config.hpp>
#include <beit/nn/layer_norm.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/relative_position_bias.hpp>
#include <beit/nn/workspace.hpp>

#include "../tests/random_weights.hpp"

namespace {

using beit::Index;

constexpr Index tokens = 197, dim = 768, hidden = 3072, heads = 12;

beit::Activations normal_rows(beit::Workspace::Frame& frame, const beit::kernels::Layout& layout, Index columns) {
  const beit_test::RandomWeights numbers(1);
  const auto x = numbers.get("x", std::vector<Index>{tokens, columns});
  const beit::Activations out = frame.activations(layout, 1, tokens, columns);
  for (Index t = 0; t < out.tiles(); ++t) {
    out.write(out.tile(t), x.data() + out.tile(t).row * columns, columns);
  }
  return out;
}

template <typename Weight>
void Attention(benchmark::State& state) {
  const beit::kernels::AttentionKernel& kernel = beit::precision_kernels<Weight>(beit::default_kernels()).attention;
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  beit::Workspace::Frame frame(workspace);
  const beit::Activations qkv = normal_rows(frame, *kernel.layout, 3 * dim);
  const beit::Activations out =
      frame.activations(*beit::precision_kernels<Weight>(beit::default_kernels()).gemm.layout, 1, tokens, dim, true);
  std::byte* const scratch = frame.bytes(kernel.scratch_bytes(tokens, dim / heads));
  beit::RelativePositionBias bias({14, 14});
  bias.add(beit_test::RandomWeights(1).root().scope("attn"), heads);
  for (auto _ : state) {
    for (Index head = 0; head < heads; ++head) {
      kernel.run({.qkv = &qkv,
                  .out = &out,
                  .head = head,
                  .heads = heads,
                  .scale = 0.125f,
                  .bias_table = bias.head(head),
                  .grid = bias.grid()},
                 scratch);
    }
    benchmark::ClobberMemory();
  }
}

template <typename Weight>
void LayerNorm(benchmark::State& state) {
  const beit_test::RandomWeights numbers(1);
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  beit::Workspace::Frame frame(workspace);
  const beit::LayerNorm norm(beit::default_kernels(), numbers.root().scope("norm"), dim);
  const auto x = numbers.get("x", std::vector<Index>{tokens, dim});
  const beit::Activations out =
      frame.activations(*beit::precision_kernels<Weight>(beit::default_kernels()).gemm.layout, 1, tokens, dim);
  for (auto _ : state) {
    norm.forward(Eigen::Map<const beit::RowMajorMatrix>(x.data(), tokens, dim), workspace, out);
    benchmark::ClobberMemory();
  }
}

template <typename Weight, bool gelu>
void FirstProduct(benchmark::State& state) {
  beit::ThreadPool pool(1);
  beit::Workspace workspace(pool);
  beit::Workspace::Frame frame(workspace);
  const beit::Linear<Weight> fc1(beit::default_kernels(), beit_test::RandomWeights(1).root().scope("fc1"), hidden, dim);
  const beit::kernels::Layout& layout = *beit::precision_kernels<Weight>(beit::default_kernels()).gemm.layout;
  const beit::Activations x = normal_rows(frame, layout, dim);
  const beit::Activations out = frame.activations(layout, 1, tokens, hidden, true);
  for (auto _ : state) {
    if (gelu) {
      fc1.forward_gelu(x, workspace, out);
    } else {
      fc1.forward(x, workspace, out);
    }
    benchmark::ClobberMemory();
  }
}
template <typename Weight>
void WithGelu(benchmark::State& state) {
  FirstProduct<Weight, true>(state);
}
template <typename Weight>
void WithoutGelu(benchmark::State& state) {
  FirstProduct<Weight, false>(state);
}

#define BEIT_FOR_EACH_PRECISION(name)                              \
  BENCHMARK(name<float>)->Unit(benchmark::kMicrosecond);           \
  BENCHMARK(name<beit::FloatFast>)->Unit(benchmark::kMicrosecond); \
  BENCHMARK(name<Eigen::bfloat16>)->Unit(benchmark::kMicrosecond); \
  BENCHMARK(name<std::int8_t>)->Unit(benchmark::kMicrosecond)
BEIT_FOR_EACH_PRECISION(Attention);
BEIT_FOR_EACH_PRECISION(LayerNorm);
BEIT_FOR_EACH_PRECISION(WithGelu);
BEIT_FOR_EACH_PRECISION(WithoutGelu);

}  // namespace
