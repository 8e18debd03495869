// The markers at the beginning and the end of a JPEG.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/image/detail/bytes.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

/// Whether stb_image takes the file for a JPEG: it begins with a start of image, possibly after fill bytes.
inline bool is_jpeg(Bytes bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && bytes[at] == 0xff) ++at;
  return at > 0 && at < bytes.size() && bytes[at] == 0xd8;
}

/// FF 00 (an escaped FF), TEM or RST: markers without meaning that may stand between a scan's data and the next
/// segment.
inline bool is_meaningless_marker(std::uint8_t marker) { return marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7); }

/// EOI, which a JPEG that ends early lacks.
inline constexpr std::array<std::uint8_t, 2> end_of_image{0xff, 0xd9};

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
