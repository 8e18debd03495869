// Transposed convolution whose windows don't overlap: torch.nn.ConvTranspose2d(kernel_size=k, stride=k).
#pragma once

#include <algorithm>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/feature_map.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// Turns each pixel of x into kernel x kernel pixels of y, by one product.
template <typename Weight>
class ConvTranspose2d {
 public:
  /// Reads "weight" (inputs, outputs, kernel, kernel) and "bias" (outputs,). `kernels` must outlive it.
  ConvTranspose2d(const Kernels& kernels, const WeightScope& weights, Index outputs, Index inputs, Index kernel)
      : outputs_(outputs),
        kernel_(kernel),
        product_(make_product(kernels, weights, weights.get("weight", {inputs, outputs, kernel, kernel}), inputs)) {}

  /// The number of channels of y.
  Index outputs() const { return outputs_; }
  /// The size of y for the size of x.
  Size output_size(Size x) const { return {x.height * kernel_, x.width * kernel_}; }

  /// out = y; x with `inputs` channels, out of the size output_size(x.size) with `outputs` channels. ArgumentError for
  /// an x without pixels.
  void forward(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) const {
    run(x, kernels::Epilogue::bias, workspace, out);
  }
  /// out = gelu(y).
  void forward_gelu(const ConstFeatureMap& x, Workspace& workspace, FeatureMap out) const {
    run(x, kernels::Epilogue::bias_gelu, workspace, out);
  }

 private:
  /// The product with one row per pixel of a window and channel of y, (kernel*kernel*outputs, inputs), for w (inputs,
  /// outputs, kernel, kernel).
  Linear<Weight> make_product(const Kernels& kernels, const WeightScope& weights, const AlignedBuffer<float>& w,
                              Index inputs) const {
    const Index area = kernel_ * kernel_;
    const AlignedBuffer<float> bias = weights.get("bias", {outputs_});
    AlignedBuffer<float> biases(area * outputs_);
    for (Index i = 0; i < area; ++i) std::copy_n(bias.data(), outputs_, biases.data() + i * outputs_);
    return {kernels,
            weights.executor(),
            area * outputs_,
            inputs,
            std::move(biases),
            [&](Index row, Index count, float* rows) {
              for (Index i = row; i < row + count; ++i) {
                const float* const from = w.data() + i % outputs_ * area + i / outputs_;
                for (Index j = 0; j < inputs; ++j) *rows++ = from[j * outputs_ * area];
              }
            }};
  }

  void run(const ConstFeatureMap& x, kernels::Epilogue epilogue, Workspace& workspace, FeatureMap& out) const {
    constexpr Index least_pixels = 400;  // which make good use of each weight that is read
    detail::require_pixels(x.size, {1, 1}, "ConvTranspose2d");
    const Index width = x.size.width, columns = product_.outputs(), run = kernel_ * outputs_;
    const Index step = std::clamp<Index>(detail::ceil_div(least_pixels, width), 1, x.size.height);
    const Executor& executor = workspace.executor();
    for (Index begin = 0; begin < x.size.height; begin += step) {
      const Index height = std::min(step, x.size.height - begin), pixels = height * width;
      Workspace::Frame frame(workspace);
      const Activations in = product_.input(frame, 1, pixels);
      write_rows(x.pixels.middleRows(begin * width, pixels), in, executor);
      Rows windows = frame.rows(pixels, columns);  // (pixels, kernel, kernel*outputs)
      product_.forward(in, workspace, windows, epilogue);
      executor.for_each(height * kernel_, [&](Index line, Index) {
        for (Index column = 0; column < width; ++column) {
          const float* const from = windows.data() + (line / kernel_ * width + column) * columns + line % kernel_ * run;
          for (Index i = 0; i < kernel_; ++i) {
            std::copy_n(from + i * outputs_, outputs_, out.pixel(begin * kernel_ + line, column * kernel_ + i));
          }
        }
      });
    }
  }

  Index outputs_, kernel_;
  Linear<Weight> product_;
};

}  // namespace beit::inline BEIT_ABI
