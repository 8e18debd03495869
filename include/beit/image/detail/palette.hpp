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

/// Returns a palette of 256 colours of 3 bytes: the file's, then greys, as in Pillow.
///
/// If a pixel named a colour that a short palette lacks, stb_image would read uninitialised memory.
BEIT_COLD inline std::vector<std::uint8_t> full_palette(Bytes colours) {
  std::vector<std::uint8_t> palette(colours.begin(), colours.end());
  for (std::size_t i = palette.size() / 3; i < 256; ++i) palette.insert(palette.end(), 3, static_cast<std::uint8_t>(i));
  return palette;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
