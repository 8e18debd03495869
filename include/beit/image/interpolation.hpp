// The filters by which images are resized.
#pragma once

#include <string_view>

#include <beit/core/enum_names.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// Pillow's filters, under timm's names for `interpolation`.
enum class Interpolation {
  nearest,   ///< The nearest pixel.
  box,       ///< The mean of the pixels below an output pixel.
  bilinear,  ///< A triangle over 2 pixels.
  hamming,   ///< A Hamming window over 2 pixels.
  bicubic,   ///< A cubic over 4 pixels, a = -0.5.
  lanczos,   ///< A windowed sinc over 6 pixels.
};

/// Every filter.
inline constexpr Interpolation interpolations[] = {Interpolation::nearest,  Interpolation::box,
                                                   Interpolation::bilinear, Interpolation::hamming,
                                                   Interpolation::bicubic,  Interpolation::lanczos};

/// The filter's name: "nearest", "box", "bilinear", "hamming", "bicubic" or "lanczos".
constexpr std::string_view interpolation_name(Interpolation interpolation) {
  constexpr std::string_view names[] = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
  return names[static_cast<int>(interpolation)];
}

/// The filter of that name. ArgumentError, which lists the names, if there is none.
inline Interpolation interpolation_from_name(std::string_view name) {
  return detail::from_name("interpolation", name, interpolations, interpolation_name);
}

}  // namespace beit::inline BEIT_ABI
