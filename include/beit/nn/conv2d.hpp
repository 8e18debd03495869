// Convolution by products with packed weights: dall_e.utils.Conv2d.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// y = W * x + b with stride 1 and zeros around x, so that y has the size of x. Images are rows of pixels, (H*W,
/// channels).
template <typename Weight>
class Conv2d {
 public:
  /// How x is changed when it is read.
  struct Input {
    bool relu = false;     ///< Whether max(x, 0) replaces x (ReLU).
    Index upsampling = 1;  ///< The factor by which x is enlarged first, to the nearest pixel.
  };

  /// Reads "w" (outputs, inputs, kernel, kernel) and "b" (outputs,); kernel is odd.
  Conv2d(const Kernels& kernels, const WeightScope& weights, Index outputs, Index inputs, Index kernel)
      : inputs_(inputs),
        kernel_(kernel),
        product_(kernels, weights, "w", {outputs, inputs, kernel, kernel}, weights.get("b", {outputs}),
                 [&](float* rows, Index count) { put_channels_last(rows, count); }) {}

  /// The number of channels of y.
  Index outputs() const { return product_.outputs(); }

  /// out = y; x (H*W / upsampling^2, inputs), out (H*W, outputs), of the size (H, W).
  void forward(const ConstRows& x, Size size, Input input, Workspace& workspace, Rows out) const {
    for_each_band(x, size, input, workspace, [&](const Activations& windows, Index pixel) {
      product_.forward(windows, workspace, out.middleRows(pixel, windows.rows()));
    });
  }
  /// out += scale * y; scale (outputs,).
  void forward_residual(const ConstRows& x, Size size, Input input, const float* scale, Workspace& workspace,
                        Rows out) const {
    for_each_band(x, size, input, workspace, [&](const Activations& windows, Index pixel) {
      product_.forward_residual(windows, scale, workspace, out.middleRows(pixel, windows.rows()));
    });
  }

 private:
  /// Transposes (count, inputs, kernel*kernel) to (count, kernel*kernel, inputs) in place: a window then consists of
  /// `kernel` runs of an image's memory.
  void put_channels_last(float* rows, Index count) const {
    const Index area = kernel_ * kernel_;
    if (area == 1 || inputs_ == 1) return;
    std::vector<float> row(static_cast<std::size_t>(area * inputs_));
    for (Index i = 0; i < count; ++i, rows += area * inputs_) {
      std::copy_n(rows, area * inputs_, row.begin());
      Eigen::Map<RowMajorMatrix>(rows, area, inputs_) =
          Eigen::Map<const RowMajorMatrix>(row.data(), inputs_, area).transpose();
    }
  }

  /// The rows of pixels in a band, whose windows are gathered before they are multiplied: so many that the weights are
  /// read seldom, so few that the windows, which repeat each pixel nine times for a 3x3 kernel, stay in a cache.
  Index band_rows(Size size, const Executor& executor) const {
    constexpr Index floats = Index{1} << 20, least_pixels = 98;
    const Index pixels = std::max(least_pixels, floats / product_.inputs()) * std::max<Index>(1, executor.size() / 2);
    return std::clamp<Index>(pixels / size.width, 1, size.height);
  }

  /// Calls multiply(windows, pixel) for each band, with the windows of its pixels, (pixels, kernel*kernel*inputs); the
  /// first pixel has the number `pixel`.
  template <typename Multiply>
  void for_each_band(const ConstRows& x, Size size, Input input, Workspace& workspace, const Multiply& multiply) const {
    const Index padding = kernel_ / 2, step = band_rows(size, workspace.executor());
    const Index line = (size.width + 2 * padding) * inputs_;  // a row of pixels with the zeros at its ends
    for (Index begin = 0; begin < size.height; begin += step) {
      const Index height = std::min(step, size.height - begin);
      Workspace::Frame frame(workspace);
      float* const band = frame.floats((height + 2 * padding) * line);  // (height + kernel - 1, W + kernel - 1, inputs)
      workspace.executor().for_each(height + 2 * padding, [&](Index i, Index) {
        read_line(x, size, input, begin + i - padding, band + i * line);
      });
      const Activations windows = product_.input(frame, 1, height * size.width);
      gather(band, line, size.width, workspace, windows);
      multiply(windows, begin * size.width);
    }
  }

  /// Writes line y to out (W + kernel - 1, inputs): a row of pixels, or zeros if y is outside the image.
  void read_line(const ConstRows& x, Size size, Input input, Index y, float* out) const {
    const Index padding = kernel_ / 2 * inputs_, length = size.width * inputs_;
    if (y < 0 || y >= size.height) {
      std::fill_n(out, length + 2 * padding, 0.0f);
      return;
    }
    std::fill_n(out, padding, 0.0f);
    out += padding;
    std::fill_n(out + length, padding, 0.0f);
    const Index first = y / input.upsampling * (size.width / input.upsampling);
    for (Index column = 0; column < size.width; ++column, out += inputs_) {
      const float* const pixel = x.data() + (first + column / input.upsampling) * x.outerStride();
      if (input.relu) {
        for (Index c = 0; c < inputs_; ++c) out[c] = std::max(pixel[c], 0.0f);
      } else {
        std::copy_n(pixel, inputs_, out);
      }
    }
  }

  /// Gathers the windows of a band, whose lines are `line` floats apart.
  void gather(const float* band, Index line, Index width, Workspace& workspace, const Activations& windows) const {
    if (kernel_ == 1) {  // windows are pixels
      return write_rows(Eigen::Map<const RowMajorMatrix>(band, windows.rows(), inputs_), windows, workspace.executor());
    }
    Workspace::Frame frame(workspace);
    const Index run = kernel_ * inputs_, slot_size = windows.layout->row_tile * windows.columns;
    float* const scratch = frame.floats(workspace.executor().size() * slot_size);
    workspace.executor().for_each(windows.tiles(), [&](Index t, Index slot) {
      const Activations::RowTile tile = windows.tile(t);
      float* const gathered = scratch + slot * slot_size;  // (tile.rows, kernel, kernel*inputs)
      for (Index i = 0; i < tile.rows; ++i) {
        const float* from = band + (tile.row + i) / width * line + (tile.row + i) % width * inputs_;
        float* to = gathered + i * windows.columns;
        for (Index y = 0; y < kernel_; ++y, from += line, to += run) std::copy_n(from, run, to);
      }
      windows.write(tile, gathered, windows.columns);
    });
  }

  Index inputs_, kernel_;
  Linear<Weight> product_;  // (outputs, kernel*kernel*inputs)
};

}  // namespace beit::inline BEIT_ABI
