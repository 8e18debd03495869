// Completes palettes, so that they have every colour that a pixel can name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Returns a palette of 256 colours of 3 bytes: the file's, at most 256, then black, as in Pillow since version 10.1.
BEIT_COLD inline std::vector<std::uint8_t> full_palette(Bytes colours) {
  constexpr std::size_t full = std::size_t{256} * 3;
  std::vector<std::uint8_t> palette(colours.begin(), colours.end());
  palette.resize(full);
  return palette;
}

/// Returns full_palette, or all greys if the file's colours are the greys 0, 1, 2 and so on, or none at all: Pillow
/// takes such a GIF or BMP for an image without a palette.
BEIT_COLD inline std::vector<std::uint8_t> full_palette_or_greys(Bytes colours) {
  std::vector<std::uint8_t> palette = full_palette(colours);
  for (std::size_t i = 0; i < colours.size(); ++i) {
    if (palette[i] != i / 3) return palette;
  }
  for (std::size_t i = 0; i < palette.size(); ++i) palette[i] = static_cast<std::uint8_t>(i / 3);
  return palette;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
