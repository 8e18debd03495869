// Turns a model's input back into an image.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <beit/beit.hpp>
#include <beit/image/resize.hpp>

namespace programs {

/// Enlarges `image` so that its longer side has `side` pixels.
inline beit::Image enlarged(const beit::Image& image, beit::Index side, beit::Interpolation interpolation) {
  const beit::Index longer = std::max(image.height(), image.width());
  const beit::Size large{std::max<beit::Index>(1, image.height() * side / longer),
                         std::max<beit::Index>(1, image.width() * side / longer)};
  beit::Image result(large.height, large.width);
  beit::resize_window(image, large, {0, large.height}, {0, large.width}, interpolation, result.bytes());
  return result;
}

/// Draws the input x (3, H, W) of a model, enlarged so that its longer side has `side` pixels.
inline beit::Image what_the_model_sees(const float* x, const beit::Preprocessing& config, beit::Index side) {
  const beit::Size size = config.input_size;
  beit::Image small(size.height, size.width);
  for (beit::Index c = 0; c < 3; ++c) {
    const double mean = double{config.mean[static_cast<std::size_t>(c)]};
    const double deviation = double{config.std[static_cast<std::size_t>(c)]};
    for (beit::Index i = 0; i < size.area(); ++i) {
      const double value = 255 * (double{x[c * size.area() + i]} * deviation + mean);
      small.data()[3 * i + c] = static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
  return enlarged(small, side, beit::Interpolation::bicubic);
}

}  // namespace programs
