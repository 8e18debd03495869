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

/// y = id_path(x) + scale * res_path(x). id_path is a 1x1 convolution if x and y have different numbers of channels,
/// else the identity; res_path is four convolutions, each after a ReLU, of which the first three have a quarter of y's
/// channels.
template <typename Weight>
class DvaeBlock {
 public:
  using Convolution = Conv2d<Weight>;  ///< Used with kernels of all sizes.

  /// The sides of the kernels of the residual path's convolutions.
  struct KernelSizes {
    Index conv_1;  ///< Side of the first kernel.
    Index conv_2;  ///< Side of the second kernel.
    Index conv_3;  ///< Side of the third kernel.
    Index conv_4;  ///< Side of the last kernel.
  };
  static constexpr KernelSizes encoder{3, 3, 3, 1};  ///< The kernels of dall_e.Encoder.
  static constexpr KernelSizes decoder{1, 3, 3, 3};  ///< The kernels of dall_e.Decoder.

  /// Reads the parameters below dall_e's `block_i`; `scale` multiplies the residual path.
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

  /// The number of channels of y.
  Index outputs() const { return conv_4_.outputs(); }

  /// out = y for one image of the size (H, W): x (H*W / upsampling^2, inputs), which may be out, -> out (H*W, outputs).
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
  AlignedBuffer<float> scale_;  // (outputs,), all equal
};

}  // namespace beit::inline BEIT_ABI
