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
    const kernels::GemmKernel& kernel = Linear<Weight>::kernel();
    const Operand patches = workspace.operand(Workspace::patches, batch * count, proj_.inputs(), kernel);
    // A row of patches at a time, encoded out of a cache where that is another form.
    const Index slot_size = (grid.width * proj_.inputs() + 15) / 16 * 16;
    float* scratch = kernel.encode == nullptr
                         ? nullptr
                         : workspace.floats(Workspace::scratch, workspace.executor().size() * slot_size);
    workspace.executor().for_each(batch * grid.height, [&](Index item, Index slot) {
      const Index b = item / grid.height, gy = item % grid.height, row = b * count + gy * grid.width;
      const float* image = x.data() + b * x.outerStride();
      if (kernel.encode == nullptr) {
        gather(image, gy, grid.width, static_cast<float*>(patches.row(row)));
      } else {
        float* gathered = scratch + slot * slot_size;  // (Gw, inputs)
        gather(image, gy, grid.width, gathered);
        kernel.encode(gathered, proj_.inputs(), grid.width, proj_.inputs(), patches.row(row), patches.ld,
                      patches.scale + row);
      }
    });
    for (Index b = 0; b < batch; ++b) {
      proj_.forward_residual(patches.middle_rows(b * count, count), nullptr, workspace.executor(),
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
