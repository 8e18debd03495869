// dall_e.encoder.EncoderBlock and dall_e.decoder.DecoderBlock.
#pragma once

#include <algorithm>
#include <optional>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/conv2d.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The arguments of dall_e.utils.Conv2d, which reads "w" and "b": y has the size of x; `kernel` is odd; `relu`: max(y,
/// 0) replaces y.
inline Conv2dArguments dall_e_conv2d(Index outputs, Index inputs, Index kernel, bool relu = false) {
  return {.outputs = outputs,
          .inputs = inputs,
          .kernel = kernel,
          .padding = kernel / 2,
          .weight = "w",
          .bias = "b",
          .relu = relu,
          .small_images = true};
}

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
        conv_1_(kernels, weights.scope("res_path").scope("conv_1"), dall_e_conv2d(hidden_, inputs, sizes.conv_1, true)),
        conv_2_(kernels, weights.scope("res_path").scope("conv_2"),
                dall_e_conv2d(hidden_, hidden_, sizes.conv_2, true)),
        conv_3_(kernels, weights.scope("res_path").scope("conv_3"),
                dall_e_conv2d(hidden_, hidden_, sizes.conv_3, true)),
        conv_4_(kernels, weights.scope("res_path").scope("conv_4"), dall_e_conv2d(outputs, hidden_, sizes.conv_4)),
        scale_(outputs) {
    if (inputs != outputs) id_path_.emplace(kernels, weights.scope("id_path"), dall_e_conv2d(outputs, inputs, 1));
    std::fill_n(scale_.data(), outputs, scale);
  }

  /// The number of channels of y.
  Index outputs() const { return conv_4_.outputs(); }

  /// out = y for one image: x of the size (H, W), which may be out, -> out of the size (H * upsampling, W *
  /// upsampling).
  void forward(const ConstFeatureMap& x, Index upsampling, Workspace& workspace, FeatureMap out) const {
    Workspace::Frame frame(workspace);
    const FeatureMap hidden = feature_map(frame, out.size, hidden_), next = feature_map(frame, out.size, hidden_);
    conv_1_.forward(x, {.relu = true, .upsampling = upsampling}, workspace, hidden);
    conv_2_.forward(hidden, workspace, next);
    conv_3_.forward(next, workspace, hidden);
    if (id_path_) {
      id_path_->forward(x, {.upsampling = upsampling}, workspace, out);
    } else if (x.pixels.data() != out.pixels.data()) {
      out.pixels = x.pixels;
    }
    conv_4_.forward_residual(hidden, {}, scale_.data(), workspace, out);
  }

 private:
  Index hidden_;
  Convolution conv_1_, conv_2_, conv_3_, conv_4_;
  std::optional<Convolution> id_path_;
  AlignedBuffer<float> scale_;  // (outputs,), all equal
};

}  // namespace beit::inline BEIT_ABI
