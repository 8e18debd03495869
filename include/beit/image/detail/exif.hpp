// Reads the orientation that a camera noted in a file, and turns images upright by it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// The beginning of the payload of a JPEG's APP1 segment with EXIF.
inline constexpr std::string_view exif_magic{"Exif\0", 5};

/// Reads EXIF's orientation, 1 to 8, from the payload of an APP1 segment, or from one without exif_magic, as other
/// formats have it. Returns 1 (upright) if there is no valid orientation.
inline int exif_orientation(Bytes payload) {
  const Bytes tiff = starts_with(payload, std::string_view("Exif\0\0", 6)) ? payload.subspan(6) : payload;
  const bool little = starts_with(tiff, "II");
  if (tiff.size() < 8 || (!little && !starts_with(tiff, "MM"))) return 1;
  const auto short_at = [&](std::size_t at) { return little ? little16(tiff, at) : big16(tiff, at); };
  const auto long_at = [&](std::size_t at) { return little ? little32(tiff, at) : big32(tiff, at); };

  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
  constexpr std::size_t entry_bytes = 12;  // tag 2, type 2, count 4, value 4
  const std::size_t directory = long_at(4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = short_at(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * entry_bytes;
    if (at + entry_bytes > tiff.size()) return 1;
    if (short_at(at) != orientation_tag) continue;
    const std::uint32_t value = short_at(at + 8);
    return short_at(at + 2) == short_type && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// Turns an image upright as PIL.ImageOps.exif_transpose does.
inline Image turn_upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image upright = transposed ? Image(image.width(), image.height()) : Image(image.height(), image.width());
  std::uint8_t* out = upright.data();
  for (Index y = 0; y < upright.height(); ++y) {
    for (Index x = 0; x < upright.width(); ++x, out += 3) {
      const Index row = transposed ? x : y, col = transposed ? y : x;
      const Index from_row = from_bottom ? image.height() - 1 - row : row;
      const Index from_col = from_right ? image.width() - 1 - col : col;
      std::copy_n(image.data() + (from_row * image.width() + from_col) * 3, 3, out);
    }
  }
  return upright;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
