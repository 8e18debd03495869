// Reads the orientation that a camera noted in a file, and turns images upright by it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

// The beginnings of the payloads of a JPEG's APP1 segments with EXIF and with XMP.
inline constexpr std::string_view exif_magic{"Exif\0", 5};
inline constexpr std::string_view xmp_magic{"http://ns.adobe.com/xap/1.0/\0", 29};

/// Finds EXIF's orientation in the payload of an APP1 segment, or in one without exif_magic, as other formats have it.
/// It may be a number that isn't 1 to 8.
inline std::optional<std::uint32_t> exif_orientation(Bytes payload) {
  const Bytes tiff = starts_with(payload, std::string_view("Exif\0\0", 6)) ? payload.subspan(6) : payload;
  const bool little = starts_with(tiff, "II");
  if (tiff.size() < 8 || (!little && !starts_with(tiff, "MM"))) return {};
  const auto short_at = [&](std::size_t at) { return little ? little16(tiff, at) : big16(tiff, at); };
  const auto long_at = [&](std::size_t at) { return little ? little32(tiff, at) : big32(tiff, at); };

  constexpr std::uint32_t orientation_tag = 0x0112;
  constexpr std::size_t entry_bytes = 12;  // tag 2, type 2, count 4, value or its place 4
  // The bytes of each type's numbers, 0 where Pillow makes no integer of them: SHORT, LONG, SBYTE, SSHORT, SLONG, IFD.
  constexpr std::array<std::size_t, 14> number_bytes{0, 0, 0, 2, 4, 0, 1, 0, 2, 4, 0, 0, 0, 4};
  const std::size_t directory = long_at(4);
  if (directory > tiff.size() - 2) return {};
  const std::size_t entries = short_at(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * entry_bytes;
    if (at + entry_bytes > tiff.size()) return {};
    const std::uint32_t type = short_at(at + 2);
    if (short_at(at) != orientation_tag || type >= number_bytes.size() || number_bytes[type] == 0) continue;
    const std::size_t bytes = number_bytes[type];
    const std::uint64_t count = long_at(at + 4);
    const std::size_t place = count * bytes > 4 ? long_at(at + 8) : at + 8;
    if (count == 0 || place > tiff.size() || count * bytes > tiff.size() - place) continue;
    return bytes == 1 ? tiff[place] : bytes == 2 ? short_at(place) : long_at(place);
  }
  return {};
}

/// Finds tiff:Orientation in XMP, a digit behind the name as an attribute or an element.
inline std::optional<std::uint32_t> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view name = "tiff:Orientation";
  for (std::size_t at = 0; (at = xmp.find(name, at)) != std::string_view::npos;) {
    at += name.size();
    const std::string_view rest = xmp.substr(at);
    const std::size_t digit = rest.starts_with("=\"") ? 2 : rest.starts_with(">") ? 1 : rest.size();
    if (digit < rest.size() && '0' <= rest[digit] && rest[digit] <= '9') {
      return static_cast<std::uint32_t>(rest[digit] - '0');
    }
  }
  return {};
}

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The orientation, 1 to 8, that a file's EXIF and XMP (either may be empty) give it. As in Pillow, XMP counts only
/// where EXIF has none, and 1 (upright) stands for numbers that don't exist.
inline int orientation_of(Bytes exif, Bytes xmp) {
  std::optional<std::uint32_t> found = exif_orientation(exif);
  if (!found) found = xmp_orientation(as_text(xmp));
  return found && *found >= 1 && *found <= 8 ? static_cast<int>(*found) : 1;
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
