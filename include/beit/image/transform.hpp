// timm's eval transform: resize, centre crop, scale to [0, 1], subtract the mean, divide by the deviation.
//
// Source: timm/data/transforms_factory.py, transforms_imagenet_eval, and what it calls in timm/data/transforms.py
// and torchvision.transforms.functional.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <beit/core/arena.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/enum_names.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/pass_order.hpp>
#include <beit/kernels/kernels.hpp>

namespace beit::inline BEIT_ABI {

/// Which part of the image reaches the model; timm's `crop_mode`.
enum class CropMode {
  center,  ///< Resizes the shortest edge to input_size / crop_pct and crops the centre: the longer edge loses its ends.
  squash,  ///< Resizes both edges to input_size / crop_pct, whatever the aspect ratio, and crops the centre.
  border,  ///< Resizes the longest edge to input_size / crop_pct and pads with the colour of the mean.
};

/// Every crop mode.
inline constexpr CropMode crop_modes[] = {CropMode::center, CropMode::squash, CropMode::border};

/// The name of a crop mode: "center", "squash" or "border".
constexpr std::string_view crop_mode_name(CropMode mode) {
  constexpr std::string_view names[] = {"center", "squash", "border"};
  return names[static_cast<int>(mode)];
}

/// The crop mode of that name. ArgumentError, which lists the names, if there is none.
inline CropMode crop_mode_from_name(std::string_view name) {
  return detail::from_name("crop_mode", name, crop_modes, crop_mode_name);
}

/// The entries of timm's pretrained_cfg that describe how images become the model's input.
struct Preprocessing {
  Size input_size{224, 224};                             ///< Height and width of the result.
  Interpolation interpolation = Interpolation::bicubic;  ///< The filter of the resize.
  double crop_pct =
      0.9;  ///< The fraction of the resized image that is kept, greater than 0; above 1 the image is padded.
  CropMode crop_mode = CropMode::center;      ///< Which part of the image is kept.
  std::vector<float> mean{0.5f, 0.5f, 0.5f};  ///< (channels): red, green, blue, for values in [0, 1].
  std::vector<float> std{0.5f, 0.5f, 0.5f};   ///< (channels), none is 0.
  /// If not 0 x 0, replaces crop_mode and crop_pct by the way of transformers' image processors: resizes both edges to
  /// this, or, if its width is 0, the shorter edge to its height; and crops the centre, or puts black around an image
  /// that is too small. An odd pixel is left below and to the right, and an odd pixel of black above and to the left.
  Size resize_to{};
  PassOrder pass_order =
      PassOrder::pillow_13;           ///< The order of the resize's passes, in which versions of Pillow differ.
  double rescale_factor = 1.0 / 255;  ///< A byte times this is the value to which mean and std apply; finite.
};

namespace detail {
/// Returns resize_to for another input size, so that the same part of an image is kept: each side grows as the input's
/// does, rounded to the nearest. 0 x 0 stays as it is.
inline Size scaled_resize_to(const Preprocessing& from, Size input_size) {
  if (from.resize_to == Size{}) return {};
  const auto scaled = [](Index side, Index to, Index of) { return (2 * side * to + of) / (2 * of); };
  return {scaled(from.resize_to.height, input_size.height, from.input_size.height),
          scaled(from.resize_to.width, input_size.width, from.input_size.width)};
}
}  // namespace detail

/// The order of an image's numbers in memory.
enum class TensorLayout {
  channels_first,  ///< (3, height, width): planes of red, green and blue, the input of models.
  channels_last,   ///< (height, width, 3): pixel by pixel.
};

namespace detail {
/// The crop_pct to have instead, for a message after "wanted"; empty if the input size can be divided by this one.
BEIT_INLINE std::string_view crop_fault(const Preprocessing& config);

/// Throws ConfigError unless the values can be used.
BEIT_INLINE void require_valid(const Preprocessing& config);
}  // namespace detail

/// Writes the result of timm's `create_transform(**config, is_training=False)` for the image as RGB, bit for bit as
/// with the Pillow that pass_order names, on every level of kernels. Takes memory for temporaries from `arena`.
///
/// ConfigError for impossible values in `config`, or values for other than three channels; ImageError for an empty
/// image or one so long and narrow that Pillow couldn't resize it; ArgumentError unless `out` has 3 * height * width
/// numbers.
BEIT_INLINE void preprocess(const Preprocessing& config, const ImageView& image, std::span<float> out,
                            TensorLayout layout, const Kernels& kernels, Arena& arena);

/// Preprocesses on the default kernels, with its own memory for temporaries.
inline void preprocess(const Preprocessing& config, const ImageView& image, std::span<float> out,
                       TensorLayout layout = TensorLayout::channels_first) {
  Arena arena;
  preprocess(config, image, out, layout, default_kernels(), arena);
}

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/transform_impl.hpp>
#endif
