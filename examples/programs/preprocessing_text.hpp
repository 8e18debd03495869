// Describes a preprocessing in words, for --verbose.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include <beit/image/transform.hpp>

namespace programs {

/// "320x480": height, then width.
inline std::string size_text(beit::Size size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

/// Numbers as short as their precision allows: "0.485 0.456 0.406"; one number if all are the same.
inline std::string numbers_text(const std::vector<float>& numbers) {
  std::ostringstream text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && std::equal(numbers.begin() + 1, numbers.end(), numbers.begin())) break;
    text << (i > 0 ? " " : "") << numbers[i];
  }
  return text.str();
}

/// The resize and the crop: "shorter edge to 248, centre 224x224".
inline std::string crop_text(const beit::Preprocessing& config) {
  const auto scaled = [&config](beit::Index side) {
    return static_cast<beit::Index>(std::floor(static_cast<double>(side) / config.crop_pct));
  };
  const beit::Size size = config.input_size;
  beit::Size to{scaled(size.height), scaled(size.width)};
  std::string text;
  if (config.resize_to != beit::Size{}) {
    to = config.resize_to;
    text = to.width > 0 ? "both edges to " + size_text(to) : "shorter edge to " + std::to_string(to.height);
  } else if (config.crop_mode == beit::CropMode::squash) {
    text = "both edges to " + size_text(to);
  } else if (config.crop_mode == beit::CropMode::border) {
    return "whole image into " + size_text(to) + ", centre " + size_text(size) + ", border in the colour of the mean";
  } else {
    text = to.height == to.width ? "shorter edge to " + std::to_string(to.height) : "to cover " + size_text(to);
  }
  return to == size && text.starts_with("both") ? text : text + ", centre " + size_text(size);
}

/// One line: "resize bicubic, shorter edge to 248, centre 224x224, mean 0.5, std 0.5, pass order pillow_13".
inline std::string preprocessing_text(const beit::Preprocessing& config) {
  std::string text = "resize " + std::string(beit::interpolation_name(config.interpolation)) + ", " + crop_text(config);
  if (config.rescale_factor != 1.0 / 255) {
    std::ostringstream factor;
    factor << config.rescale_factor;
    text += ", bytes times " + factor.str();
  }
  return text + ", mean " + numbers_text(config.mean) + ", std " + numbers_text(config.std) + ", pass order " +
         std::string(beit::pass_order_name(config.pass_order));
}

}  // namespace programs
