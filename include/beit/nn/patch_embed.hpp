// timm.layers.PatchEmbed: a convolution whose kernel and stride are one patch.
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// token = W patch + b, where a patch has its pixels in the order (channel, row, column).
template <typename Weight>
class PatchEmbed {
 public:
  /// Reads the parameters below timm's `patch_embed`. ArgumentError for an image smaller than a patch.
  PatchEmbed(const Kernels& kernels, const WeightScope& weights, Size image, Size patch, Index channels, Index dim)
      : image_(image), patch_(patch), channels_(channels) {
    detail::require_pixels(image, patch, "PatchEmbed");
    const WeightScope proj = weights.scope("proj");
    proj_ =
        Linear<Weight>(kernels, proj, "weight", {dim, channels, patch.height, patch.width}, proj.get("bias", {dim}));
  }

  /// Adds the embeddings of x (B, channels*H*W) to tokens (B*N, C), N = 1 + grid.area(). The first token of each image,
  /// the class token, stays as it is.
  void forward_residual(const ConstRows& x, Workspace& workspace, Rows tokens) const {
    const Size grid{image_.height / patch_.height, image_.width / patch_.width};
    const Index count = grid.area(), batch = x.rows();
    Workspace::Frame frame(workspace);
    const Activations patches = proj_.input(frame, batch, count);
    // Gathers the patches of one row tile at a time, so that they are written from a near cache.
    const Index slot_size = patches.layout->row_tile * proj_.inputs();
    float* const scratch = frame.floats(workspace.executor().size() * slot_size);
    workspace.executor().for_each(patches.tiles(), [&](Index t, Index slot) {
      const Activations::RowTile tile = patches.tile(t);
      float* const gathered = scratch + slot * slot_size;  // (tile.rows, inputs)
      for (Index i = 0; i < tile.rows; ++i) {
        gather(x.data() + tile.segment * x.outerStride(), (tile.row + i) / grid.width, (tile.row + i) % grid.width,
               gathered + i * proj_.inputs());
      }
      patches.write(tile, gathered, proj_.inputs());
    });
    proj_.forward_residual(patches, nullptr, workspace, tokens, count + 1);
  }

 private:
  /// Copies a patch of one image (channels, H, W) to out (channels*Ph*Pw,).
  void gather(const float* image, Index gy, Index gx, float* out) const {
    for (Index c = 0; c < channels_; ++c) {
      const float* pixels = image + (c * image_.height + gy * patch_.height) * image_.width + gx * patch_.width;
      for (Index y = 0; y < patch_.height; ++y, pixels += image_.width, out += patch_.width) {
        std::copy_n(pixels, patch_.width, out);
      }
    }
  }

  Size image_, patch_;
  Index channels_;
  Linear<Weight> proj_;
};

}  // namespace beit::inline BEIT_ABI
