// timm.layers.PatchEmbed: a convolution whose kernel and stride are one patch.
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// token = W patch + b, where a patch is its pixels in the order (channel, row, column).
template <typename Weight>
class PatchEmbed {
 public:
  PatchEmbed(const WeightScope& weights, Size image, Size patch, Index channels, Index dim)
      : image_(image), patch_(patch), channels_(channels) {
    const WeightScope proj = weights.scope("proj");
    proj_ = Linear<Weight>(proj, "weight", {dim, channels, patch.height, patch.width}, proj.get("bias", {dim}));
  }

  /// Adds to tokens (B*N, C), N = 1 + grid.area(), the embeddings of x (B, channels*H*W); the first token of
  /// each image, the class token, is left alone.
  void forward_residual(const ConstRows& x, Workspace& workspace, Rows tokens) const {
    const Size grid{image_.height / patch_.height, image_.width / patch_.width};
    const Index count = grid.area(), batch = x.rows();
    Rows patches = workspace.rows(Workspace::patches, batch * count, proj_.inputs());
    workspace.executor().for_each(batch * grid.height, [&](Index item, Index) {
      const Index b = item / grid.height, gy = item % grid.height;
      gather(x.data() + b * x.outerStride(), gy, grid.width,
             patches.data() + (b * count + gy * grid.width) * patches.cols());
    });
    for (Index b = 0; b < batch; ++b) {
      proj_.forward_residual(patches.middleRows(b * count, count), nullptr, workspace.executor(),
                             tokens.middleRows(b * (count + 1) + 1, count));
    }
  }

 private:
  /// One row of patches of one image (channels, H, W) to out (Gw, channels*Ph*Pw).
  void gather(const float* image, Index gy, Index grid_width, float* out) const {
    for (Index gx = 0; gx < grid_width; ++gx) {
      for (Index c = 0; c < channels_; ++c) {
        const float* pixels = image + (c * image_.height + gy * patch_.height) * image_.width + gx * patch_.width;
        for (Index y = 0; y < patch_.height; ++y, pixels += image_.width, out += patch_.width) {
          std::copy_n(pixels, patch_.width, out);
        }
      }
    }
  }

  Size image_, patch_;
  Index channels_;
  Linear<Weight> proj_;
};

}  // namespace beit::inline BEIT_ABI
