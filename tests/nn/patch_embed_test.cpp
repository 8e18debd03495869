// Compares the patch embedding with a convolution written out.
#include <gtest/gtest.h>

#include <beit/nn/patch_embed.hpp>
#include <vector>

#include "../random_weights.hpp"

namespace beit_test::patch_embed_test {

using beit::Index;
using beit::Size;

TEST(PatchEmbed, IsAConvolutionWhoseStrideIsItsKernel) {
  const RandomWeights weights(3);
  for (const auto& [image, patch, channels, embed_dim] : {std::tuple{Size{16, 16}, Size{16, 16}, Index{3}, Index{5}},
                                                          std::tuple{Size{12, 20}, Size{4, 4}, Index{3}, Index{24}},
                                                          std::tuple{Size{12, 24}, Size{4, 8}, Index{1}, Index{9}},
                                                          std::tuple{Size{6, 3}, Size{2, 3}, Index{4}, Index{1}}}) {
    const beit::PatchEmbed<float> embed(beit::default_kernels(), weights.root(), image, patch, channels, embed_dim);
    const Index batch = 3, pixels = channels * image.area();
    const Size patches{image.height / patch.height, image.width / patch.width};
    const Index rows = 1 + patches.area();
    const auto x = weights.get("x", std::vector<Index>{batch, pixels});
    const auto w = weights.get("proj.weight", std::vector<Index>{embed_dim, channels, patch.height, patch.width});
    const auto b = weights.get("proj.bias", std::vector<Index>{embed_dim});
    beit::Matrix out(batch * rows, embed_dim);
    out.map().setConstant(2.0f);
    beit::ThreadPool pool(2);
    beit::Workspace workspace(pool);
    embed.forward_residual(Eigen::Map<const beit::RowMajorMatrix>(x.data(), batch, pixels), workspace, out);
    for (Index i = 0; i < batch; ++i) {
      for (Index c = 0; c < embed_dim; ++c) ASSERT_EQ(out(i * rows, c), 2.0f) << "the class token was touched";
      for (Index gy = 0; gy < patches.height; ++gy) {
        for (Index gx = 0; gx < patches.width; ++gx) {
          for (Index c = 0; c < embed_dim; ++c) {
            double wanted = 2.0 + b[c];
            for (Index in = 0; in < channels; ++in) {
              for (Index y = 0; y < patch.height; ++y) {
                for (Index z = 0; z < patch.width; ++z) {
                  const Index row = gy * patch.height + y, column = gx * patch.width + z;
                  wanted += static_cast<double>(x[i * pixels + (in * image.height + row) * image.width + column]) *
                            w[((c * channels + in) * patch.height + y) * patch.width + z];
                }
              }
            }
            ASSERT_NEAR(out(i * rows + 1 + gy * patches.width + gx, c), wanted, 2e-6);
          }
        }
      }
    }
  }
}

TEST(PatchEmbed, RefusesImagesSmallerThanAPatch) {
  const RandomWeights weights(3);
  for (const Size image : {Size{3, 8}, Size{8, 3}, Size{0, 0}}) {
    EXPECT_THROW(beit::PatchEmbed<float>(beit::default_kernels(), weights.root(), image, {4, 4}, 3, 5),
                 beit::ArgumentError);
  }
}

}  // namespace beit_test::patch_embed_test
