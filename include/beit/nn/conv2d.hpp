// Convolution by products with packed weights, of windows or of Winograd's tiles: torch.nn.Conv2d.
#pragma once

#include <algorithm>
#include <optional>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/conv2d_arguments.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/padded_lines.hpp>
#include <beit/nn/winograd_conv2d.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = W * x + b. It is computed by bands of lines from the top, so that memory doesn't grow with the image. A band of
/// x is read before its lines of y are written: with stride 1, line i of y may lie where line i - padding of x did.
template <typename Weight>
class Conv2d {
 public:
  using Input = Conv2dInput;  ///< How x is changed when it is read.

  /// Reads the parameters that the arguments name. `kernels` must outlive it.
  Conv2d(const Kernels& kernels, const WeightScope& weights, const Conv2dArguments& arguments)
      : inputs_(arguments.inputs),
        kernel_(arguments.kernel),
        stride_(arguments.stride),
        padding_(arguments.padding),
        outputs_(arguments.outputs),
        epilogue_(arguments.relu ? kernels::Epilogue::bias_relu : kernels::Epilogue::bias) {
    if (WinogradConv2d<Weight>::suits(kernels, arguments)) {
      winograd_.emplace(kernels, weights, arguments);
      return;
    }
    product_ = {kernels,
                weights,
                arguments.weight,
                {outputs_, inputs_, kernel_, kernel_},
                arguments.bias.empty() ? AlignedBuffer<float>() : weights.get(arguments.bias, {outputs_}),
                [&](float* rows, Index count) { detail::put_channels_last(rows, count, inputs_, kernel_ * kernel_); }};
  }

  /// The number of channels of x.
  Index inputs() const { return inputs_; }
  /// The number of channels of y.
  Index outputs() const { return outputs_; }
  /// The size of y for the size of x, after its upsampling. ArgumentError where x with its padding is smaller than the
  /// kernel: all calls throw it.
  Size output_size(Size x) const {
    detail::require_pixels({x.height + 2 * padding_, x.width + 2 * padding_}, {kernel_, kernel_},
                           "Conv2d: with padding");
    const auto side = [&](Index length) { return (length + 2 * padding_ - kernel_) / stride_ + 1; };
    return {side(x.height), side(x.width)};
  }

  /// out = y; x of the size (H, W) with `inputs` channels, out of the size output_size({H, W}) with `outputs` channels.
  void forward(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) const {
    forward(x, Input{}, workspace, out);
  }
  /// Changes x first; out is of the size output_size({H * upsampling, W * upsampling}).
  void forward(const ConstFeatureMap& x, Input input, Workspace& workspace, FeatureMap out) const {
    run(x, input, epilogue_, nullptr, workspace, out);
  }
  /// out += scale * y, for a convolution without ReLU after it; scale (outputs,).
  void forward_residual(const ConstFeatureMap& x, Input input, const float* scale, Workspace& workspace,
                        FeatureMap out) const {
    run(x, input, kernels::Epilogue::bias_residual, scale, workspace, out);
  }

 private:
  void run(const ConstFeatureMap& x, Input input, kernels::Epilogue epilogue, const float* scale, Workspace& workspace,
           FeatureMap& out) const {
    const Size size{x.size.height * input.upsampling, x.size.width * input.upsampling}, after = output_size(size);
    if (winograd_) return winograd_->forward(x, input, epilogue, scale, workspace, out);
    for_each_band(x, input, size, after, workspace, [&](const Activations& windows, Index pixel) {
      Rows pixels = out.pixels.middleRows(pixel, windows.rows());
      if (epilogue == kernels::Epilogue::bias_residual) {
        product_.forward_residual(windows, scale, workspace, pixels);
      } else {
        product_.forward(windows, workspace, pixels, epilogue);
      }
    });
  }

  /// Writes line y of the changed x to out (W * upsampling, inputs).
  static void read_line(const ConstFeatureMap& x, Input input, Index y, float* out) {
    for (Index column = 0; column < x.size.width * input.upsampling; ++column, out += x.channels()) {
      const float* const pixel = x.pixel(y / input.upsampling, column / input.upsampling);
      if (input.relu) {
        for (Index c = 0; c < x.channels(); ++c) out[c] = std::max(pixel[c], 0.0f);
      } else {
        std::copy_n(pixel, x.channels(), out);
      }
    }
  }

  /// The lines of y in a band, whose windows are gathered before they are multiplied: so many that the weights are read
  /// seldom, so few that the windows, which repeat each pixel nine times for a 3x3 kernel, stay in a cache.
  Index band_lines(Size out, const Executor& executor) const {
    constexpr Index floats = Index{1} << 20, least_pixels = 98;
    const Index pixels = std::max(least_pixels, floats / product_.inputs()) * std::max<Index>(1, executor.size() / 2);
    return std::clamp<Index>(pixels / out.width, 1, out.height);
  }

  /// Calls multiply(windows, pixel) for each band, with the windows of its pixels, (pixels, kernel*kernel*inputs); the
  /// first pixel of y has the number `pixel`.
  template <typename Multiply>
  void for_each_band(const ConstFeatureMap& x, Input input, Size size, Size out, Workspace& workspace,
                     const Multiply& multiply) const {
    const Index step = band_lines(out, workspace.executor());
    for (Index begin = 0; begin < out.height; begin += step) {
      const Index height = std::min(step, out.height - begin), pixel = begin * out.width;
      Workspace::Frame frame(workspace);
      const Activations windows = product_.input(frame, 1, height * out.width);
      const bool unchanged = !input.relu && input.upsampling == 1 && padding_ == 0;
      if (unchanged && kernel_ == 1 && stride_ == 1) {  // windows are pixels of x
        write_rows(x.pixels.middleRows(pixel, windows.rows()), windows, workspace.executor());
        multiply(windows, pixel);
        continue;
      }
      const detail::PaddedLines lines{.size = size,
                                      .channels = inputs_,
                                      .padding = padding_,
                                      .first = begin * stride_ - padding_,
                                      .lines = (height - 1) * stride_ + kernel_,
                                      .pixels = size.width + 2 * padding_};
      float* const band = frame.floats(lines.lines * lines.line());
      detail::read_padded(
          lines, [&](Index y, float* line) { read_line(x, input, y, line); }, workspace.executor(), band);
      gather(band, lines.line(), out.width, workspace, windows);
      multiply(windows, pixel);
    }
  }

  /// Gathers the windows of a band, whose lines are `line` floats apart; y has `width` columns.
  void gather(const float* band, Index line, Index width, Workspace& workspace, const Activations& windows) const {
    if (kernel_ == 1 && stride_ == 1) {  // windows are pixels
      return write_rows(Eigen::Map<const RowMajorMatrix>(band, windows.rows(), inputs_), windows, workspace.executor());
    }
    Workspace::Frame frame(workspace);
    const Index run = kernel_ * inputs_, slot_size = windows.layout->row_tile * windows.columns;
    float* const scratch = frame.floats(workspace.executor().size() * slot_size);
    workspace.executor().for_each(windows.tiles(), [&](Index t, Index slot) {
      const Activations::RowTile tile = windows.tile(t);
      float* const gathered = scratch + slot * slot_size;  // (tile.rows, kernel, kernel*inputs)
      for (Index i = 0; i < tile.rows; ++i) {
        const Index y = (tile.row + i) / width * stride_, x = (tile.row + i) % width * stride_;
        const float* from = band + y * line + x * inputs_;
        float* to = gathered + i * windows.columns;
        for (Index ky = 0; ky < kernel_; ++ky, from += line, to += run) std::copy_n(from, run, to);
      }
      windows.write(tile, gathered, windows.columns);
    });
  }

  Index inputs_, kernel_, stride_, padding_, outputs_;
  kernels::Epilogue epilogue_;
  Linear<Weight> product_;                          // (outputs, kernel*kernel*inputs), or
  std::optional<WinogradConv2d<Weight>> winograd_;  // where it suits
};

}  // namespace beit::inline BEIT_ABI
