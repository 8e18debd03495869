// Says which images the demo models can't judge.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <beit/image/image.hpp>

namespace programs {

/// The demo models learned from grey pictures of this many pixels on a side.
inline constexpr beit::Index demo_side = 28;
/// A picture whose longer side has more than this many times as many pixels isn't taken for one of theirs.
inline constexpr beit::Index demo_enlargement = 4;

/// Whether any pixel has a colour other than grey.
inline bool is_coloured(const beit::ImageView& image) {
  const auto [red, green, blue] = image.colours();
  for (beit::Index y = 0; y < image.height; ++y) {
    const std::uint8_t* pixel = image.row(y);
    for (beit::Index x = 0; x < image.width; ++x, pixel += image.channels) {
      if (pixel[red] != pixel[green] || pixel[green] != pixel[blue]) return true;
    }
  }
  return false;
}

/// Says in what an image (width, height, in pixels) differs from those that the demo models learned from:
/// "451x300 pixels, in colour", width first. Empty if it is of their kind.
inline std::string unlike_demo(beit::Index width, beit::Index height, bool coloured) {
  std::string text;
  if (std::max(width, height) > demo_enlargement * demo_side) {
    text = std::to_string(width) + "x" + std::to_string(height) + " pixels";
  }
  if (coloured) text += text.empty() ? "in colour" : ", in colour";
  return text;
}

}  // namespace programs
