// timm's eval transform: resize, centre crop, scale to [0, 1], subtract the mean, divide by the deviation.
//
// Source: timm/data/transforms_factory.py, transforms_imagenet_eval, and what it calls in timm/data/transforms.py
// and torchvision.transforms.functional.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>
#include <beit/image/resize.hpp>

namespace beit::inline BEIT_ABI {

/// What of the image reaches the model; timm's `crop_mode`.
enum class CropMode {
  center,  ///< Shortest edge to input_size / crop_pct, then the centre: the longer edge loses its ends.
  squash,  ///< Both edges to input_size / crop_pct, whatever the aspect ratio, then the centre.
  border,  ///< Longest edge to input_size / crop_pct, padded with the mean's colour.
};

/// The entries of timm's pretrained_cfg that say how an image becomes the model's input.
struct Preprocessing {
  Size input_size{224, 224};                             ///< Height and width of the result.
  Interpolation interpolation = Interpolation::bicubic;  ///< Between pixels.
  double crop_pct = 0.9;                                 ///< Greater than 0; above 1 the image is padded.
  CropMode crop_mode = CropMode::center;                 ///< What of the image is kept.
  std::vector<float> mean{0.5f, 0.5f, 0.5f};             ///< (3), red, green, blue, of values in [0, 1]
  std::vector<float> std{0.5f, 0.5f, 0.5f};              ///< (3), none is 0
  /// Not 0 x 0: what transformers' image processors do instead of crop_mode and crop_pct. Both edges to this, at least
  /// input_size, then the centre, whose odd pixel is left below and to the right.
  Size resize_to{};
  double rescale_factor = 1.0 / 255;  ///< A byte times this is the value that mean and std are of; finite.
};

/// "bicubic" -> Interpolation::bicubic. Throws ConfigError for a name that timm doesn't have.
inline Interpolation interpolation_from_name(std::string_view name) {
  if (name == "nearest") return Interpolation::nearest;
  if (name == "box") return Interpolation::box;
  if (name == "bilinear") return Interpolation::bilinear;
  if (name == "hamming") return Interpolation::hamming;
  if (name == "bicubic") return Interpolation::bicubic;
  if (name == "lanczos") return Interpolation::lanczos;
  throw ConfigError(detail::concat(
      {"interpolation: found \"", name, "\", wanted nearest, box, bilinear, hamming, bicubic or lanczos"}));
}

/// "center" -> CropMode::center. Throws ConfigError for a name that timm doesn't have.
inline CropMode crop_mode_from_name(std::string_view name) {
  if (name == "center") return CropMode::center;
  if (name == "squash") return CropMode::squash;
  if (name == "border") return CropMode::border;
  throw ConfigError(detail::concat({"crop_mode: found \"", name, "\", wanted center, squash or border"}));
}

namespace detail {
/// Throws ConfigError unless the values can be used.
BEIT_INLINE void require_valid(const Preprocessing& config);
}  // namespace detail

/// timm's `create_transform(**config, is_training=False)` of the image as RGB, bit for bit.
///
/// Throws ConfigError for values in `config` that can't be, ImageError for an empty image or one so long and narrow
/// that Pillow couldn't resize it.
BEIT_INLINE void preprocess(const Preprocessing& config, const ImageView& image, float* out);  // (3, height, width)

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/transform_impl.hpp>
#endif
