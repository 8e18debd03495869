// Decodes image files to RGB with the result of Pillow's Image.open(path).convert("RGB"): by itself, stb_image, or a
// format's own library if BEIT_USE_LIBJPEG_TURBO, BEIT_USE_LIBWEBP, BEIT_USE_LIBTIFF, BEIT_USE_LIBAVIF or
// BEIT_USE_LIBHEIF is set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode_options.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

/// Decodes the RGB image in a file's bytes; `name` begins every message.
///
/// Reads JPEG, PNG, BMP, GIF, TGA, PBM, PGM, PPM, grey PFM and QOI, and the optional formats (formats.hpp) that this
/// build has; of an animation or several pages, the first. The result equals Pillow's convert("RGB") except for JPEG,
/// whose decoders round differently unless BEIT_USE_LIBJPEG_TURBO is set, and for grey of 12 or 16 bits, which is
/// reduced to its high bits where Pillow clips to white. TIFF, as in Pillow, and HEIC are turned upright; others are
/// returned as stored. Throws ImageError for bytes that are no such image, damaged or truncated, or for an image larger
/// than the limit.
BEIT_INLINE Image decode_image(std::span<const std::uint8_t> bytes, const DecodeOptions& options = {},
                               const std::string& name = "image in memory");

/// Decodes bytes of type std::byte.
inline Image decode_image(std::span<const std::byte> bytes, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, options, name);
}

/// Decodes `size` bytes at a pointer.
inline Image decode_image(const std::uint8_t* bytes, std::size_t size, const DecodeOptions& options = {},
                          const std::string& name = "image in memory") {
  return decode_image(std::span<const std::uint8_t>(bytes, size), options, name);
}

/// Reads the RGB image in a file. Throws FileError for a path that can't be read, with the system's reason, and
/// whatever decode_image throws.
BEIT_INLINE Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/image/decode_impl.hpp>
#endif
