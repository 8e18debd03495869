// Compares the dVAE's block with loops in double precision.
#include <beit/nn/dvae_block.hpp>

#include <gtest/gtest.h>

#include <beit/core/thread_pool.hpp>
#include <beit/kernels/kernels.hpp>

#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::dvae_block_test {

using beit::Index;
using beit::Matrix;
using beit::Size;
using Block = beit::DvaeBlock<float>;
using reference::Doubles;

/// Computes id_path(x) + scale * res_path(x) for x at the size of the result.
Doubles block(const Doubles& x, Size size, const beit::WeightScope& weights, Index outputs, Block::KernelSizes kernels,
              double scale) {
  const beit::WeightScope path = weights.scope("res_path");
  Doubles hidden = x;
  const auto convolve = [&](const char* name, Index channels, Index kernel) {
    hidden = reference::convolution(reference::relu(hidden), size, path.scope(name),
                                    beit::dall_e_conv2d(channels, hidden.cols(), kernel));
  };
  convolve("conv_1", outputs / 4, kernels.conv_1);
  convolve("conv_2", outputs / 4, kernels.conv_2);
  convolve("conv_3", outputs / 4, kernels.conv_3);
  convolve("conv_4", outputs, kernels.conv_4);
  if (x.cols() == outputs) return x + scale * hidden;
  return reference::convolution(x, size, weights.scope("id_path"), beit::dall_e_conv2d(outputs, x.cols(), 1)) +
         scale * hidden;
}

TEST(DvaeBlock, AgreesWithItsDefinition) {
  struct Case {
    Size size;
    Index inputs, outputs, upsampling;
    Block::KernelSizes kernels;
  };
  const RandomWeights weights(2);
  for (const Case& c : {Case{{5, 3}, 8, 8, 1, Block::encoder}, Case{{4, 6}, 8, 12, 1, Block::encoder},
                        Case{{6, 4}, 12, 8, 2, Block::decoder}, Case{{3, 3}, 8, 8, 1, Block::decoder}}) {
    const Block tested(beit::default_kernels(), weights.root().scope("block"), c.inputs, c.outputs, c.kernels, 0.3f);
    EXPECT_EQ(tested.outputs(), c.outputs);
    const Size before{c.size.height / c.upsampling, c.size.width / c.upsampling};
    const Matrix x = numbers(weights, "x", before.area(), c.inputs);
    const Doubles wanted = block(reference::upsampled(reference::doubles(x), c.size, c.upsampling), c.size,
                                 weights.root().scope("block"), c.outputs, c.kernels, static_cast<double>(0.3f));
    beit::ThreadPool pool(2);
    beit::Workspace workspace(pool);
    Matrix out(c.size.area(), c.outputs);
    tested.forward({x, before}, c.upsampling, workspace, {out, c.size});
    EXPECT_LE(reference::difference(out, wanted), 2e-6);
  }
}

TEST(DvaeBlock, WorksInPlace) {
  const RandomWeights weights(3);
  const Block tested(beit::default_kernels(), weights.root().scope("block"), 8, 8, Block::encoder, 1.0f);
  Matrix x = numbers(weights, "x", 20, 8), out(20, 8);
  beit::Workspace workspace;
  tested.forward({x, {4, 5}}, 1, workspace, {out, {4, 5}});
  tested.forward({x, {4, 5}}, 1, workspace, {x, {4, 5}});
  EXPECT_EQ(x.map(), out.map());
}

}  // namespace beit_test::dvae_block_test
