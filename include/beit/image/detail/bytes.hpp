// Reading numbers from an image file's bytes without reading past their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

using Bytes = std::span<const std::uint8_t>;

/// A file's bytes and what messages call it.
struct ImageFile {
  Bytes bytes;
  const std::string& name;

  [[noreturn]] BEIT_COLD void fail(const std::string& message) const {
    throw ImageError(concat({name, ": ", message}));
  }

  /// Throws ImageError unless `count` bytes are left at `offset`; `what` names what they hold.
  void require(std::size_t offset, std::size_t count, const char* what) const {
    if (offset > bytes.size() || count > bytes.size() - offset) {
      fail(concat({"truncated: found ", bytes.size(), " bytes, wanted ", count, " at ", offset, " for its ", what}));
    }
  }
};

/// Throws ImageError for an image of no pixels or of more than the limit.
BEIT_COLD inline void check_size(const ImageFile& file, std::int64_t height, std::int64_t width,
                                 std::int64_t max_pixels) {
  if (height < 1 || width < 1) {
    file.fail(concat({"found ", height, " x ", width, " pixels, wanted at least 1 x 1"}));
  }
  if (height > max_pixels / width) {
    file.fail(concat({"found ", height, " x ", width, " pixels (", height * width, "), wanted at most ", max_pixels,
                      " (max_pixels)"}));
  }
}

[[noreturn]] BEIT_COLD inline void fail_as_truncated(const ImageFile& file) {
  file.fail(concat({"truncated: the image goes on after the ", file.bytes.size(), " bytes found"}));
}

inline std::uint32_t little16(Bytes bytes, std::size_t at) {
  return bytes[at] | static_cast<std::uint32_t>(bytes[at + 1]) << 8;
}
inline std::uint32_t little32(Bytes bytes, std::size_t at) {
  return little16(bytes, at) | little16(bytes, at + 2) << 16;
}
inline std::uint32_t big16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}
inline std::uint32_t big32(Bytes bytes, std::size_t at) { return big16(bytes, at) << 16 | big16(bytes, at + 2); }

inline bool starts_with(Bytes bytes, std::string_view magic) {
  if (bytes.size() < magic.size()) return false;
  for (std::size_t i = 0; i < magic.size(); ++i) {
    if (bytes[i] != static_cast<std::uint8_t>(magic[i])) return false;
  }
  return true;
}

inline void append(std::vector<std::uint8_t>& to, Bytes from) { to.insert(to.end(), from.begin(), from.end()); }

/// A palette of 256 colours of 3 bytes: what the file has, then greys, as Pillow fills it up.
///
/// A pixel may name a colour that a short palette doesn't have; stb_image would then read memory that nothing wrote.
BEIT_COLD inline std::vector<std::uint8_t> full_palette(Bytes colors) {
  std::vector<std::uint8_t> palette(colors.begin(), colors.end());
  for (std::size_t i = palette.size() / 3; i < 256; ++i) palette.insert(palette.end(), 3, static_cast<std::uint8_t>(i));
  return palette;
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
