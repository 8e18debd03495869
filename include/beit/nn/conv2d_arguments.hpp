// The arguments of convolutions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// The shape of a convolution and the names of its parameters: torch's arguments.
struct Conv2dArguments {
  Index outputs;                       ///< Channels of y.
  Index inputs;                        ///< Channels of x.
  Index kernel;                        ///< Height and width of the kernel.
  Index stride = 1;                    ///< The kernel moves by so many lines and columns.
  Index padding = 0;                   ///< So many lines and columns of zeros surround x.
  std::string_view weight = "weight";  ///< The name of the parameter (outputs, inputs, kernel, kernel).
  std::string_view bias = "bias";      ///< The name of the parameter (outputs,); empty if there is none.
  bool relu = false;                   ///< Whether max(y, 0) replaces y (ReLU).
  /// Whether images are so small that Winograd's convolution should keep W transformed, which takes 16/9 of its memory:
  /// at 14x14 pixels, transforming it in each call takes longer than the products.
  bool small_images = false;
};

/// How a convolution's x is changed when it is read.
struct Conv2dInput {
  bool relu = false;     ///< Whether max(x, 0) replaces x (ReLU).
  Index upsampling = 1;  ///< The factor by which x is enlarged first, to the nearest pixel.
};

namespace detail {

/// Transposes (count, inputs, area) to (count, area, inputs) in place: a kernel's weights like the pixels of an image.
inline void put_channels_last(float* rows, Index count, Index inputs, Index area) {
  if (area == 1 || inputs == 1) return;
  std::vector<float> row(static_cast<std::size_t>(area * inputs));
  for (Index i = 0; i < count; ++i, rows += area * inputs) {
    std::copy_n(rows, area * inputs, row.begin());
    Eigen::Map<RowMajorMatrix>(rows, area, inputs) =
        Eigen::Map<const RowMajorMatrix>(row.data(), inputs, area).transpose();
  }
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
