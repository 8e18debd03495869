// dall_e.encoder.EncoderBlock and dall_e.decoder.DecoderBlock.
#pragma once

#include <algorithm>
#include <optional>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = id_path(x) + scale * res_path(x): id_path a 1x1 convolution where widths differ; res_path four convolutions,
/// each of the positive part of what is before it, the first three a quarter as wide as y.
template <typename Weight>
class DvaeBlock {
 public:
  using Convolution = Conv2d<Weight>;  ///< Of all sizes.

  /// The sides of the kernels of conv_1 to conv_4.
  struct KernelSizes {
    Index conv_1;  ///< Side of the first's kernel.
    Index conv_2;  ///< Of the second's.
    Index conv_3;  ///< Of the third's.
    Index conv_4;  ///< Of the last's.
  };
  static constexpr KernelSizes encoder{3, 3, 3, 1};  ///< Of dall_e.Encoder.
  static constexpr KernelSizes decoder{1, 3, 3, 3};  ///< Of dall_e.Decoder.

  /// The parameters below dall_e's `block_i`; `scale` is that of the residual path.
  DvaeBlock(const Kernels& kernels, const WeightScope& weights, Index inputs, Index outputs, KernelSizes sizes,
            float scale)
      : hidden_(outputs / 4),
        conv_1_(kernels, weights.scope("res_path").scope("conv_1"), hidden_, inputs, sizes.conv_1),
        conv_2_(kernels, weights.scope("res_path").scope("conv_2"), hidden_, hidden_, sizes.conv_2),
        conv_3_(kernels, weights.scope("res_path").scope("conv_3"), hidden_, hidden_, sizes.conv_3),
        conv_4_(kernels, weights.scope("res_path").scope("conv_4"), outputs, hidden_, sizes.conv_4),
        scale_(outputs) {
    if (inputs != outputs) id_path_.emplace(kernels, weights.scope("id_path"), outputs, inputs, 1);
    std::fill_n(scale_.data(), outputs, scale);
  }

  /// Channels of the result.
  Index outputs() const { return conv_4_.outputs(); }

  /// out = y of one image of the size (H, W), out (H*W, outputs); x (H*W / upsampling^2, inputs) may be out.
  void forward(const ConstRows& x, Size size, Index upsampling, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    Rows hidden = frame.rows(size.area(), hidden_), next = frame.rows(size.area(), hidden_);
    conv_1_.forward(x, size, {.relu = true, .upsampling = upsampling}, workspace, hidden);
    conv_2_.forward(hidden, size, {.relu = true}, workspace, next);
    conv_3_.forward(next, size, {.relu = true}, workspace, hidden);
    if (id_path_) {
      id_path_->forward(x, size, {.upsampling = upsampling}, workspace, out);
    } else if (x.data() != out.data()) {
      out = x;
    }
    conv_4_.forward_residual(hidden, size, {.relu = true}, scale_.data(), workspace, out);
  }

 private:
  Index hidden_;
  Convolution conv_1_, conv_2_, conv_3_, conv_4_;
  std::optional<Convolution> id_path_;
  AlignedBuffer<float> scale_;  // (outputs,), all the same
};

}  // namespace beit::inline BEIT_ABI
