// The definitions of transform.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <beit/core/arena.hpp>
#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/resize_impl.hpp>
#include <beit/image/transform.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Converts a side computed in floating point; the caller refuses a side of 0 or one that is too long.
inline Index to_side(double side) {
  return side < static_cast<double>(max_image_side) ? static_cast<Index>(side) : max_image_side + 1;
}

/// The input size divided by crop_pct; a side may be 0 or more than max_image_side.
inline Size size_before_crop(const Preprocessing& config) {
  return {to_side(std::floor(static_cast<double>(config.input_size.height) / config.crop_pct)),
          to_side(std::floor(static_cast<double>(config.input_size.width) / config.crop_pct))};
}

BEIT_COLD BEIT_INLINE std::string_view crop_fault(const Preprocessing& config) {
  if (!(config.crop_pct > 0.0) || !std::isfinite(config.crop_pct)) return "a number greater than 0";
  if (config.resize_to != Size{}) return {};
  const Size size = size_before_crop(config);
  if (size.height < 1 || size.width < 1) return "less: images would be resized to nothing";
  if (size.height > max_image_side || size.width > max_image_side)
    return "more: images would be resized beyond any limit";
  return {};
}

BEIT_COLD BEIT_INLINE void require_valid(const Preprocessing& config) {
  const Size size = config.input_size;
  if (size.height < 1 || size.width < 1 || size.height > max_image_side || size.width > max_image_side) {
    throw ConfigError(
        concat({"input_size: found ", size.height, " x ", size.width, ", wanted sides of 1 to ", max_image_side}));
  }
  if (const std::string_view fault = crop_fault(config); !fault.empty()) {
    throw ConfigError(concat({"crop_pct: found ", std::to_string(config.crop_pct), ", wanted ", fault}));
  }
  if (config.resize_to != Size{} &&
      (config.resize_to.height < 1 || config.resize_to.width < 0 || config.resize_to.height > max_image_side ||
       config.resize_to.width > max_image_side)) {
    throw ConfigError(concat({"resize_to: found ", config.resize_to.height, " x ", config.resize_to.width,
                              ", wanted sides of 1 to ", max_image_side, ", or a width of 0"}));
  }
  if (!std::isfinite(config.rescale_factor)) throw ConfigError("rescale_factor: found a number that isn't finite");
  if (config.mean.empty() || config.mean.size() != config.std.size()) {
    throw ConfigError(concat({"mean and std: found ", config.mean.size(), " and ", config.std.size(),
                              " values, wanted as many of each, one per channel"}));
  }
  for (std::size_t c = 0; c < config.mean.size(); ++c) {
    if (!std::isfinite(config.mean[c])) {
      throw ConfigError(
          concat({"mean: found ", std::to_string(config.mean[c]), " for channel ", c, ", wanted a finite number"}));
    }
    if (!std::isfinite(config.std[c]) || config.std[c] == 0.0f) {
      throw ConfigError(concat(
          {"std: found ", std::to_string(config.std[c]), " for channel ", c, ", wanted a finite number other than 0"}));
    }
  }
}

/// The size of an image whose shorter edge is resized to `edge`: torchvision's Resize(int).
inline Size with_shorter_edge(Size image, Index edge) {
  const double length = static_cast<double>(edge), height = static_cast<double>(image.height);
  const double width = static_cast<double>(image.width);
  if (image.width <= image.height) return {to_side(length * height / width), edge};
  return {edge, to_side(length * width / height)};
}

/// The size to which timm resizes an image before it crops; a side may be 0 or more than max_image_side.
inline Size resized_size(Size image, const Preprocessing& config) {
  if (config.resize_to != Size{}) {
    return config.resize_to.width > 0 ? config.resize_to : with_shorter_edge(image, config.resize_to.height);
  }
  const Size scaled = size_before_crop(config);
  if (config.crop_mode == CropMode::squash) return scaled;
  if (config.crop_mode == CropMode::center && scaled.height == scaled.width) {
    return with_shorter_edge(image, scaled.height);
  }
  const double height = static_cast<double>(image.height);
  const double width = static_cast<double>(image.width);
  // timm's ResizeKeepRatio with longest=1 for border, longest=0 for center.
  const double height_ratio = height / static_cast<double>(scaled.height);
  const double width_ratio = width / static_cast<double>(scaled.width);
  const double ratio =
      config.crop_mode == CropMode::border ? std::max(height_ratio, width_ratio) : std::min(height_ratio, width_ratio);
  return {to_side(round_half_even(height / ratio)), to_side(round_half_even(width / ratio))};
}

/// The position of the resized image on the result, along one side.
struct Placement {
  Window window;      ///< The part of the resized image that is kept.
  Index padding = 0;  ///< Pixels of the result before the window.
};

/// Computes torchvision's center_crop, which timm's CenterCropOrPad uses, too: it pads a side that is too short and
/// crops one that is too long. transformers' crop rounds down, and its padding up.
inline Placement place(Index resized, Index wanted, bool round_down) {
  if (resized <= wanted) return {{0, resized}, (wanted - resized + (round_down ? 1 : 0)) / 2};
  if (round_down) return {{(resized - wanted) / 2, wanted}, 0};
  return {{static_cast<Index>(round_half_even(static_cast<double>(resized - wanted) / 2.0)), wanted}, 0};
}

/// The colour of the border: round(255 * mean), clipped as in Pillow.
inline std::uint8_t border_value(float mean) {
  // In timm, a mean of 0.3 is a double, 255 times which is exactly 76.5, hence 76. Rounding to 7 decimals restores that
  // double.
  const double decimal = round_half_even(static_cast<double>(mean) * 1e7) / 1e7;
  return static_cast<std::uint8_t>(std::clamp(round_half_even(255.0 * decimal), 0.0, 255.0));
}

}  // namespace detail

BEIT_INLINE void preprocess(const Preprocessing& config, const ImageView& image, std::span<float> out,
                            TensorLayout layout, const Kernels& kernels, Arena& arena) {
  detail::require_valid(config);
  if (config.mean.size() != 3) {
    throw ConfigError(detail::concat(
        {"mean and std: found ", config.mean.size(), " values each, wanted 3: images are red, green and blue"}));
  }
  detail::require_readable(image);
  const Size size = config.input_size;
  if (std::ssize(out) != 3 * size.area()) {
    throw ArgumentError(detail::concat(
        {"preprocess: found room for ", out.size(), " numbers, wanted 3 x ", size.height, " x ", size.width}));
  }
  const Size resized = detail::resized_size({image.height, image.width}, config);
  const bool round_down = config.resize_to != Size{};
  const detail::Placement vertical = detail::place(resized.height, size.height, round_down);
  const detail::Placement horizontal = detail::place(resized.width, size.width, round_down);

  // The normalised value of every byte, computed with the float operations of torch and numpy. timm divides by 255,
  // which gives the same floats.
  std::array<std::array<float, 256>, 3> normalised;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t value = 0; value < 256; ++value) {
      normalised[c][value] =
          (static_cast<float>(static_cast<double>(value) * config.rescale_factor) - config.mean[c]) / config.std[c];
    }
  }

  const bool planes = layout == TensorLayout::channels_first;
  const Index channel_step = planes ? size.area() : 1, pixel_step = planes ? 1 : 3;
  const Index width = horizontal.window.count;
  if (vertical.window.count < size.height || width < size.width) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t border = config.crop_mode == CropMode::border ? detail::border_value(config.mean[c]) : 0;
      float* to = out.data() + static_cast<Index>(c) * channel_step;
      for (Index i = 0; i < size.area(); ++i) to[i * pixel_step] = normalised[c][border];
    }
  }
  detail::resize_rows(image, resized, vertical.window, horizontal.window, config.interpolation, config.pass_order,
                      kernels.strips, arena, [&](Index y, const std::uint8_t* row) {
                        const Index first = (vertical.padding + y) * size.width + horizontal.padding;
                        float* const red = out.data() + first * pixel_step;
                        float *const green = red + channel_step, *const blue = green + channel_step;
                        for (Index x = 0; x < width; ++x, row += 3) {
                          red[x * pixel_step] = normalised[0][row[0]];
                          green[x * pixel_step] = normalised[1][row[1]];
                          blue[x * pixel_step] = normalised[2][row[2]];
                        }
                      });
}

}  // namespace beit::inline BEIT_ABI
